"""Privacy guarantees of a run: what each chain proves, over the recorded rounds and over the whole run."""

from collections.abc import Callable
from functools import lru_cache

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.analysis.conditions import Tried, condition_of_point
from fedleak.contracts.chain import Chain
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import Experiment
from fedleak.settings import FederationSettings
from fedleak.tasks import hardened

Proofs = dict[Tried, Guarantee | Unproven]
"""What each chain proves where it was tried."""


def guarantees_of(campaign: Campaign) -> Proofs:
    """What each chain proves over the recorded rounds, where it was tried; empty chains are left out."""
    return _of_each_chain(campaign, _recorded)


def whole_guarantees_of(campaign: Campaign) -> Proofs:
    """What each chain proves over the whole run, which goes on after the recorded rounds."""
    return _of_each_chain(campaign, _whole)


def _of_each_chain(campaign: Campaign, guarantee: Callable[[Experiment, Chain], Guarantee | Unproven]) -> Proofs:
    found: Proofs = {}
    for point in campaign.points:
        for name, chain in point.experiment.build_chains().items():
            if chain and (condition_of_point(point), name) not in found:
                found[condition_of_point(point), name] = guarantee(point.experiment, chain)
    return found


def _recorded(experiment: Experiment, chain: Chain) -> Guarantee | Unproven:
    return _over((experiment.federation,), experiment.task, chain)


def _whole(experiment: Experiment, chain: Chain) -> Guarantee | Unproven:
    if experiment.model.trained_rounds:
        return Unproven(
            "in the rounds before the recorded ones (model.trained_rounds) clients trained on the same examples "
            "without the defenses; start from a checkpoint or from fresh weights"
        )
    return _over(experiment.phases, experiment.task, chain)


def _over(phases: tuple[FederationSettings, ...], task: str, chain: Chain) -> Guarantee | Unproven:
    # Settings as JSON: they hold a table of options, which cannot be a key, and the points of a campaign share them.
    return _proven(tuple(phase.model_dump_json() for phase in phases), task, chain)


@lru_cache(maxsize=1024)
def _proven(phases: tuple[str, ...], task: str, chain: Chain) -> Guarantee | Unproven:
    settings = tuple(FederationSettings.model_validate_json(phase) for phase in phases)
    return chain.guarantee(settings, hardened(task, chain))
