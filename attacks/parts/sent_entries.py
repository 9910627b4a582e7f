"""Matching only what a defense let through."""

from collections.abc import Sequence

from torch import Tensor

from fedleak.observation import Observation

from .distances import Distance, DistanceTo


def on_sent_entries(observation: Observation, distance: DistanceTo) -> DistanceTo:
    """The distance over those entries that are not zero in the update, where a defense may have set the others so.

    What a sparsifying defense does to a dummy gradient, estimated from the update alone. Source:
    https://arxiv.org/abs/2203.15696
    """
    if not observation.defense:
        return distance
    sent = [value != 0 for value in observation.update.tensors.values()]

    def to(observed: Sequence[Tensor]) -> Distance:
        masks = [mask.to(target) for mask, target in zip(sent, observed, strict=True)]
        near = distance([target * mask for target, mask in zip(observed, masks, strict=True)])
        return lambda gradients: near([gradient * mask for gradient, mask in zip(gradients, masks, strict=True)])

    return to
