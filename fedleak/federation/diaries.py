"""Diaries of a plan: what is known of a round of split training when it begins."""

from fedleak.errors import FederationError
from fedleak.federation.plan import FederationPlan
from fedleak.learning.weights import NamedTensors
from fedleak.recording.diary import Diary, Holder


def diary_of(plan: FederationPlan, who: Holder, round: int, weights: NamedTensors) -> Diary:
    """The diary of a party, with the weights that it holds, or of the relay, which holds none."""
    split = plan.federation.split
    if split is None:
        raise FederationError('federation.partition = "rows": nothing is cut, so there is no diary to keep')
    return Diary(
        settings=plan.task,
        split=split,
        who=who,
        round=round,
        training=plan.training(round).training(),
        chain=plan.defenses(),
        defense=plan.defense,
        seed=plan.seed,
        tampering=plan.tampering(),
        weights=weights,
    )
