"""Untested combinations: what a run did not try, so that nobody takes its silence for safety."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from fedleak.analysis.evidence import Diagnosed
from fedleak.analysis.fitting import fitting_attacks, fitting_defenses
from fedleak.analysis.judgement import BASELINES
from fedleak.contracts.manipulation import manipulations
from fedleak.contracts.observation import Observation
from fedleak.contracts.plugin import Plugin
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.tampered import built
from fedleak.contracts.view import View
from fedleak.experiment.access import looks_at
from fedleak.experiment.campaign import Campaign, distinct
from fedleak.experiment.canonical import attack_tables
from fedleak.experiment.experiment import Experiment, judges
from fedleak.experiment.servers import deeds_of, readers_of
from fedleak.formatting import counted, listed, opening, setting_in_words
from fedleak.goals.goals import GOALS
from fedleak.results.row import Row
from fedleak.settings.server import ServerSettings
from fedleak.statistics.summary import Summary

REASONS = 12
"""Reasons for missing figures that are told, the most frequent."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """One thing that was not tested."""

    title: str
    words: str


def untested(
    campaign: Campaign,
    summaries: Sequence[Summary],
    failures: Mapping[str, int],
    unaware: Sequence[str],
    *,
    unfinished: int,
) -> list[Gap]:
    """The gaps, the gravest first.

    `failures` as `failures_of` counts them; `unaware` are the defenses that nobody attacked who knows them;
    `unfinished` cells were not run.
    """
    return [Gap(title=title, words=words) for title, words in _gaps(campaign, summaries, failures, unaware, unfinished)]


def poor_matches(diagnoses: Iterable[Diagnosed]) -> list[Gap]:
    """Attacks that were tried and fell short by their own figures, with the likely cause."""
    return [
        Gap(title="An attack that fell short by its own figures", words=f"{opening(one.sentence)}.")
        for one in diagnoses
    ]


def idle_metrics(campaign: Campaign) -> dict[str, str]:
    """By name, a sentence on each metric that no attack of any setting gives anything to."""
    used: set[str] = set()
    about: dict[str, Kind] = {}
    for experiment in distinct(campaign):
        tried = experiment.build_attacks()
        for metric in experiment.build_metrics() if tried else ():
            about[metric.name] = metric.compares
            if any(judges(metric, attack) for attack in tried):
                used.add(metric.name)
    return {
        name: f"{name} has no figure: no attack here {GOALS[kind].guessing}"
        for name, kind in about.items()
        if name not in used
    }


def cheating_servers(campaign: Campaign) -> list[ServerSettings]:
    """The servers of a campaign that do more than average, each once."""
    servers = {repr(one): one for one in (point.experiment.server for point in campaign.points)}
    return [one for one in servers.values() if not one.honest]


def used_plugins(campaign: Campaign) -> list[Plugin]:
    """Every attack, defense, metric and tampering of the campaign with those nested in them, each class once."""
    found: dict[str, Plugin] = {}
    for experiment in distinct(campaign):
        chains = (defense for chain in experiment.build_chains().values() for defense in chain)
        for plugin in (*experiment.build_attacks(), *chains, *experiment.build_metrics()):
            for one in _nested(plugin):
                found.setdefault(one.name, one)
    tampering = {repr(tables): tables for tables in (point.experiment.adversary.does for point in campaign.points)}
    found |= {one.name: one for tables in tampering.values() for one in built(tables)}
    return list(found.values())


def failures_of(rows: Iterable[Row]) -> Counter[str]:
    """Why attacked messages lack a figure, counted by attack and reason.

    A metric that does not apply is no failure where another gave a figure: an attack that guesses no examples has no
    PSNR. One that applies and has no figure is.
    """
    messages: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        where = (
            row.federation,
            setting_in_words(row.setting),
            row.defense,
            row.attack,
            row.seed,
            row.round,
            row.client,
        )
        messages.setdefault(where, []).append(row)
    failed = [one for own in messages.values() if (one := _failed(own)) is not None]
    return Counter(f"{one.attack} under {one.defense}: {one.reason or 'no reason given'}" for one in failed)


def _failed(rows: Sequence[Row]) -> Row | None:
    """The row that tells why a message lacks a figure, None where it has all that there can be."""
    without = [row for row in rows if math.isnan(row.value)]
    if len(without) == len(rows):
        return rows[0]
    return next((row for row in without if row.applicable), None)


def _nested(plugin: Plugin) -> Iterator[Plugin]:
    yield plugin
    for value in vars(plugin).values():
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, Plugin):
                yield from _nested(inner)


def _gaps(
    campaign: Campaign,
    summaries: Sequence[Summary],
    failures: Mapping[str, int],
    unaware: Sequence[str],
    unfinished: int,
) -> Iterator[tuple[str, str]]:
    if unfinished:
        yield "Cells that were not run", f"{counted(unfinished, 'planned cell')}: the run was interrupted."
    if unaware:
        yield (
            "An attacker who adapts",
            (
                f"Under {listed(unaware)} no attack that takes account of the defense has a figure but such as were "
                "starved of public data. Where such a defense leaves little, read untested, not safe."
            ),
        )
    for failed, count in Counter(failures).most_common(REASONS):
        yield "Attacks without a figure", f"{counted(count, 'message')}, {failed}."
    used = {plugin.name for plugin in used_plugins(campaign)}
    yield from _idle(campaign)
    yield from _of_servers(campaign, used)
    yield from _not_run(campaign, used)
    yield from _narrow(campaign, summaries)


def _idle(campaign: Campaign) -> Iterator[tuple[str, str]]:
    for sentence in idle_metrics(campaign).values():
        yield "Metrics that no attack answers", f"{sentence}."


def _not_run(campaign: Campaign, names: set[str]) -> Iterator[tuple[str, str]]:
    """Of what fits the run; readouts of what its servers did are told apart from the others."""
    read = {name for deed in _deeds(campaign) for name in readers_of(deed)}
    rest = [name for name in fitting_attacks(campaign) if name not in {*names, *read, *BASELINES}]
    if rest:
        yield "Attacks that fit and this run did not use", f"{listed(rest)}."
    rest = [name for name in fitting_defenses(campaign) if name not in names]
    if rest:
        yield "Defenses that fit and this run did not use", f"{listed(rest)}."


def _deeds(campaign: Campaign) -> frozenset[str]:
    return frozenset[str]().union(*map(deeds_of, cheating_servers(campaign)))


def _of_servers(campaign: Campaign, used: Collection[str]) -> Iterator[tuple[str, str]]:
    """Gaps of a run with servers that cheat, as a title and words; `used` are the names of its attacks, and others."""
    done = _deeds(campaign)
    rest = [cls.name for cls in manipulations if cls.name not in done]
    if done and rest:
        yield "Manipulations that fedleak has and no server of this run did", f"{listed(rest)}."
    idle = {name: [one for one in readers_of(name) if one not in used] for name in sorted(done)}
    unread = [f"{listed(readers)} of what {name} does" for name, readers in idle.items() if readers]
    if unread:
        yield "Readouts that fit and were not run", f"{listed(unread)}."


def _narrow(campaign: Campaign, summaries: Sequence[Summary]) -> Iterator[tuple[str, str]]:
    """Where the run looked at one case only."""
    experiments = [point.experiment for point in campaign.points if point.split == "test"]
    seeds = {experiment.seed for experiment in experiments}
    if len(seeds) == 1:
        yield "Chance", f"A single seed ({min(seeds)}): other clients, examples and weights may give other figures."
    seen = {looks_at(table) for experiment in distinct(campaign) for table in attack_tables(experiment)}
    of_updates = Observation in seen or not seen
    yield from _other_views(seen)
    if of_updates:
        yield from _other_updates(experiments)
    if any(summary.tuned for summary in summaries):
        yield "Other options of the attacks", "Variants were chosen on tuning seeds, kept apart; beyond those, none."
    else:
        yield "Tuned attacks", "No options were tuned; an attacker who takes the time may get more."
    if of_updates and not cheating_servers(campaign):
        yield "A malicious server", "This server only reads; one that sends changed weights may get more."


def _other_views(seen: Set[type[View]]) -> Iterator[tuple[str, str]]:
    """What of a model that was attacked nobody looked at."""
    if not seen & {Released, Served}:
        return
    if Served not in seen:
        yield "Answers", "No attack asked a prediction API, which shows to its users what the weights show to others."
    if Released not in seen:
        yield "Weights", "No attack had the weights of the model; whoever gets them needs no answers."
    if Observation not in seen:
        yield "Updates", "No attack looked at an update; the server and whoever reads the wire see more than a model."


def _other_updates(experiments: Sequence[Experiment]) -> Iterator[tuple[str, str]]:
    """Where the run looked at one kind of update only."""
    if not any(experiment.model.checkpoint or experiment.model.trained_rounds for experiment in experiments):
        yield "Trained models", "All weights were fresh; a trained model may leak less, or more."
    if not any(experiment.adversary.unknown for experiment in experiments):
        yield "A server that knows less", "Every training fact was known to it: batch size, steps, learning rate, mode."
    largest = max(experiment.federation.batch_size for experiment in experiments)
    yield "Larger batches", f"No batch was larger than {counted(largest, 'example')}."
    if {experiment.federation.rounds for experiment in experiments} == {1}:
        yield "Later rounds", "Only the first round was attacked, and no two rounds together."
