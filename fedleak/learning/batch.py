"""A batch: images with their labels."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Images in [0, 1] and their labels; public data when the adversary holds it."""

    inputs: Float[Tensor, "batch channels height width"]
    labels: Num[Tensor, "batch *classes"]
    """Class indices; probabilities only on a client whose defense mixes examples."""

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str) -> "Batch":
        """The same on a device; on the one where it is, the same tensors."""
        return Batch(self.inputs.to(device), self.labels.to(device))

    def __getitem__(self, index: Int[Tensor, " chosen"]) -> "Batch":
        return Batch(self.inputs[index], self.labels[index])


def joined(batches: Iterable[Batch]) -> Batch:
    """One batch after the other."""
    known = list(batches)
    return Batch(torch.cat([batch.inputs for batch in known]), torch.cat([batch.labels for batch in known]))


def class_means(examples: Batch, labels: Int[Tensor, " wanted"]) -> Float[Tensor, "wanted channels height width"]:
    """For each label the mean image of its class; for one that no example has, the mean of all."""
    whole, present = examples.inputs.mean(0), sorted(set(examples.labels.tolist()))
    known = {label: examples.inputs[examples.labels == label].mean(0) for label in present}
    return torch.stack([known.get(label, whole) for label in labels.tolist()])


def viewable(image: Float[Tensor, "channels height width"]) -> Float[Tensor, "colors height width_"]:
    """The picture of an example: gray or color as it is, of any other number of channels each in gray, side by side."""
    return image if len(image) in (1, 3) else torch.cat(list(image[:, None]), dim=2)
