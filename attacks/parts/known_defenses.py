"""Known defenses: entries that say nothing of who is attacked, and which chains a readout takes into account."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense, Place
from fedleak.contracts.observation import Observation
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import NamedTensors


@dataclass(frozen=True, kw_only=True, eq=False)
class HiddenEntries(Defense):
    """Leaves an update as it is, and says which entries count: what a sum over several mixed stands for a defense.

    Nobody applies it, and no experiment can name it.
    """

    name = "hidden-entries"
    shown: Mapping[str, Tensor]
    """By parameter, True where an entry counts."""

    def observed_mask(self, sent: Update) -> NamedTensors:  # noqa: ARG002
        return dict(self.shown)


def with_hidden(observation: Observation, shown: NamedTensors) -> Observation:
    """The observation with zeros where entries do not count, of which attacks are told; the same where all do."""
    masks = {name: value.bool() for name, value in shown.items()}
    if all(bool(mask.all()) for mask in masks.values()):
        return observation
    kept = {name: torch.where(masks[name], value, 0.0) for name, value in observation.update.tensors.items()}
    return replace(
        observation,
        update=Update(kept, observation.update.kind),
        defense=Chain((*observation.defense, HiddenEntries(shown=masks))),
    )


def is_hidden(observation: Observation, name: str) -> bool:
    """Whether no entry of a parameter counts."""
    return any(isinstance(one, HiddenEntries) and not one.shown[name].any() for one in observation.defense)


# Which chains a readout of quotients takes into account.

BESIDE: frozenset[Place] = frozenset({"requirements", "training", "received", "protocol", "release", "answers"})
"""Where defenses act without changing what a gradient means; how clients train is known of any federation."""
CHANGES: frozenset[Place] = frozenset({"gradient", "update", "state"})
ONE_STEP = LocalTraining(batch_size=1)
SENT = Update({"entries": torch.tensor([0.0, 1.0])}, UpdateKind.DELTA)


def accounted(chain: Chain, *, measured: bool = False) -> bool:
    """Whether whoever reads quotients of gradients takes all that clients do into account; there is something to.

    That is what scales an update, as a quotient is the same then; noise whose size is known, or, where it is `measured`
    by what no gradient has, any change; and entries that are left out. What changes networks or examples is not.
    """
    return len(chain) > 0 and all(_accounted(one, measured) for one in chain.local)


def _accounted(defense: Defense, measured: bool) -> bool:
    acts = defense.acts_on - BESIDE
    known = measured or defense.keeps_direction or defense.noise(ONE_STEP) > 0
    return not acts or (acts <= CHANGES and (known or defense.observed_mask(SENT) is not None))
