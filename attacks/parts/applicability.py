"""Applicability: whether an update can be attacked at all, and what is known of how it was computed."""

from typing import Literal

import torch
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.update import Meaning, UpdateKind, meaning_of, reach
from fedleak.learning.weights import NamedTensors


def defect(observation: Observation) -> str | None:
    """Why nothing can be learned from the update, in words; None where it can be attacked."""
    vector = observation.update.vector()
    if not torch.isfinite(vector).all():
        broken = int((~torch.isfinite(vector)).sum())
        return f"{broken} of {vector.numel()} entries of the update are NaN or infinite"
    if not vector.any():
        return "the update is zero in every entry, so it says nothing about the data"
    gradient = observation.gradient()
    if not any(value.any() for value in gradient.values()):
        return "the update is weight decay alone: the gradient it implies is zero"
    return None


def require_usable(observation: Observation) -> None:
    """Raises `NotApplicable` where nothing can be learned from the update."""
    problem = defect(observation)
    if problem:
        raise NotApplicable(problem)


def length_unknown(observation: Observation) -> bool:
    """Whether only its direction can be trusted: rate or steps unknown, clipped, or maybe scaled by a defense."""
    return reach(observation.training) is None or bool(observation.training.gradient_clipping or observation.defense)


def require_gradient(observation: Observation) -> None:
    """Raises `NotApplicable` where the update is unusable, or no gradient can be read from it: Adam leaves signs."""
    require_usable(observation)
    if leaves_signs(observation):
        raise NotApplicable(
            f"the client's {observation.training.optimizer} divides each entry by its own size, so that its update has "
            "the signs of a gradient and not the gradient that is needed here; try 'inverting-gradients' or "
            "'fedavg-inversion', which simulate the optimizer"
        )


def leaves_signs(observation: Observation) -> bool:
    """Whether the update has signs in place of a gradient."""
    return observation.update.kind is UpdateKind.DELTA and meaning_of(observation.training) is Meaning.SIGNS


def mode_of(observation: Observation) -> Literal["train", "eval"]:
    """The mode clients train in; where unknown, "eval" if the BatchNorm buffers came back unchanged, else "train"."""
    if observation.training.mode is not None:
        return observation.training.mode
    after, before = observation.buffers_after, observation.before.buffers
    kept = bool(after) and all(torch.equal(value.to(before[name]), before[name]) for name, value in _items(after))
    return "eval" if kept else "train"


def _items(tensors: NamedTensors | None) -> list[tuple[str, Tensor]]:
    return list((tensors or {}).items())


def records_of(view: View) -> Batch:
    """The records that the adversary is asked about; raises `NotApplicable` where there are none."""
    if view.candidates is None or not len(view.candidates):
        raise NotApplicable(
            "nobody was asked about: the attack needs candidates, which come with a message whose truth is known"
        )
    return view.candidates


def candidates_of(observation: Observation) -> Batch:
    """The same, where the update can be attacked."""
    records = records_of(observation)
    require_usable(observation)
    return records
