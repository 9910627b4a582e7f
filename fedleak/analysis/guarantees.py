"""What chains prove: the guarantee of each where it was tried, over the recorded rounds and over the whole run."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from fedleak.accounting.guarantee import Guarantee, Proven, Unproven
from fedleak.accounting.mechanism import Beside
from fedleak.analysis.conditions import Tried, condition_of_point
from fedleak.contracts import manipulated, tampered
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Manipulation
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import Experiment
from fedleak.processes.home import at_home
from fedleak.settings.federation import FederationSettings
from fedleak.settings.task import TaskSettings
from fedleak.tasks import hardened

Proofs = dict[Tried, Proven | Unproven]
"""What each chain proves where it was tried."""
UNSUMMED = "of single messages, as a sum takes a server that follows the protocol"
"""What is proved beside a server that manipulates."""


def guarantees_of(campaign: Campaign) -> Proofs:
    """What each chain proves over the recorded rounds, where it was tried; empty chains are left out."""
    return _of_each_chain(campaign, _recorded)


def whole_guarantees_of(campaign: Campaign) -> Proofs:
    """What each chain proves over the whole run, which goes on after the recorded rounds."""
    return _of_each_chain(campaign, _whole)


def _of_each_chain(campaign: Campaign, guarantee: Callable[[Experiment, Chain], Proven | Unproven]) -> Proofs:
    found: Proofs = {}
    for point in campaign.points:
        for name, chain in point.experiment.build_chains().items():
            if chain and (condition_of_point(point), name) not in found:
                found[condition_of_point(point), name] = guarantee(point.experiment, chain)
    return found


def _recorded(experiment: Experiment, chain: Chain) -> Proven | Unproven:
    return _over((experiment.federation,), experiment, chain)


def _whole(experiment: Experiment, chain: Chain) -> Proven | Unproven:
    return _over(experiment.phases, experiment, chain)


def _over(phases: tuple[FederationSettings, ...], experiment: Experiment, chain: Chain) -> Proven | Unproven:
    if experiment.model.trained_rounds:
        return Unproven(
            "in the rounds before the recorded ones (model.trained_rounds) clients trained on the same examples "
            "without the defenses; start from a checkpoint or from fresh weights"
        )
    # Settings as JSON: they hold a table of options, which cannot be a key, and the points of a campaign share them.
    beside = tampered.beside_training(tampered.built(experiment.adversary.does))
    does = manipulated.built(experiment.server.chain)
    settings = tuple(phase.model_dump_json() for phase in phases)
    return at_home(experiment.task.home, _proven, settings, experiment.task, chain, beside, does)


@lru_cache(maxsize=1024)
def _proven(
    phases: tuple[str, ...], task: TaskSettings, chain: Chain, beside: Beside, does: tuple[Manipulation, ...]
) -> Proven | Unproven:
    settings = tuple(FederationSettings.model_validate_json(phase) for phase in phases)
    trained = hardened(task, chain, server=does)
    if not does or chain.protocol is None:
        return chain.guarantee(settings, trained, beside=beside)
    found = chain.guarantee(settings, trained, view="message", beside=beside)
    if isinstance(found, Unproven):
        return Unproven(f"{UNSUMMED}: {found.reason}")
    return replace(found, beside_a_protocol=UNSUMMED) if isinstance(found, Guarantee) else found
