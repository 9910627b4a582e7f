"""Whether an update can be attacked at all."""

import torch

from fedleak.contracts.observation import Observation


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


def length_unknown(observation: Observation) -> bool:
    """Whether only the update's direction can be trusted: learning rate or steps unknown, or a defense may scale it."""
    training = observation.training
    return training.learning_rate is None or training.steps is None or bool(observation.defense)
