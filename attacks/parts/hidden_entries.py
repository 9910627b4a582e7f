"""Entries of an update that say nothing of who is attacked alone, as a mask that every matching attack goes by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense
from fedleak.contracts.observation import Observation
from fedleak.learning.update import Update
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
