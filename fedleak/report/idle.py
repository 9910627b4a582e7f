"""Metrics of a campaign that have nothing to judge, because no attack guesses what they are about."""

from collections.abc import Mapping

from fedleak.experiment.campaign import Campaign, distinct
from fedleak.experiment.experiment import judges
from fedleak.reconstruction import Kind

GUESSES: Mapping[Kind, str] = {
    "inputs": "guesses images",
    "labels": "guesses labels",
    "membership": "says who was there",
    "properties": "answers questions about properties",
}


def idle_metrics(campaign: Campaign) -> dict[str, str]:
    """By name, a sentence on each metric that no attack of any setting gives anything to."""
    used: set[str] = set()
    about: dict[str, Kind] = {}
    for experiment in distinct(campaign):
        attacks = experiment.build_attacks()
        for metric in experiment.build_metrics() if attacks else ():
            about[metric.name] = metric.compares
            if any(judges(metric, attack) for attack in attacks):
                used.add(metric.name)
    return {
        name: f"{name} has no figure: no attack here {GUESSES[kind]}"
        for name, kind in about.items()
        if name not in used
    }
