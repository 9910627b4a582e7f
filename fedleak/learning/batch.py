"""A batch: examples with their labels."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from fedleak.learning.space import InputSpace, space_of


@dataclass(frozen=True)
class Batch:
    """Examples and their labels; public data when the adversary holds it."""

    inputs: Float[Tensor, "batch *shape"]
    labels: Num[Tensor, "batch *classes"]
    """Class indices; probabilities only on a client whose defense mixes examples."""
    given: InputSpace | None = None
    """The space that they are examples of; None: images in [0, 1]."""

    @property
    def space(self) -> InputSpace:
        """What the examples are."""
        return self.given or space_of(tuple(self.inputs.shape[1:]))

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str) -> "Batch":
        """The same on a device; on the one where it is, the same tensors."""
        return Batch(self.inputs.to(device), self.labels.to(device))

    def __getitem__(self, index: Int[Tensor, " chosen"]) -> "Batch":
        return replace(self, inputs=self.inputs[index], labels=self.labels[index])


def joined(batches: Iterable[Batch]) -> Batch:
    """One batch after the other."""
    known = list(batches)
    return replace(
        known[0],
        inputs=torch.cat([batch.inputs for batch in known]),
        labels=torch.cat([batch.labels for batch in known]),
    )


def class_means(examples: Batch, labels: Int[Tensor, " wanted"]) -> Float[Tensor, "wanted *shape"]:
    """For each label the mean example of its class; for one that no example has, the mean of all."""
    whole, present = examples.inputs.mean(0), sorted(set(examples.labels.tolist()))
    known = {label: examples.inputs[examples.labels == label].mean(0) for label in present}
    return torch.stack([known.get(label, whole) for label in labels.tolist()])
