"""A batch: examples with their labels."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Num
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from fedleak.learning.images import space_of
from fedleak.learning.input_space import InputSpace


@dataclass(frozen=True)
class Batch:
    """Examples and their labels; public data when the adversary holds it."""

    inputs: Float[Tensor, "batch *shape"]
    labels: Num[Tensor, "batch *classes"]
    """Class indices; where an example has several labels or none, rows of zeros and ones, as integers; probabilities
    only on a client whose defense mixes examples."""
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
        return replace(self, inputs=self.inputs.to(device), labels=self.labels.to(device))

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


def class_means(examples: Batch, labels: Int[Tensor, "wanted *classes"]) -> Float[Tensor, "wanted *shape"]:
    """For each label, or set of labels, the mean example that has it; for one that no example has, the mean of all."""
    whole, keys = examples.inputs.mean(0), label_keys(examples.labels)
    own: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        own.setdefault(key, []).append(place)
    means = {key: examples.inputs[places].mean(0) for key, places in own.items()}
    return torch.stack([means.get(key, whole) for key in label_keys(labels)])


# Labels: class indices, or sets of labels as rows of zeros and ones.


def label_keys(labels: Int[Tensor, "batch *classes"]) -> list[Hashable]:
    """What can be compared and counted: the class index, or the indices of all that an example has."""
    if labels.dim() == 1:
        return list(labels.tolist())
    return [tuple(row.nonzero()[:, 0].tolist()) for row in labels]


def label_counts(labels: Int[Tensor, "batch *own"], classes: int) -> Int[Tensor, " classes"]:
    """How many of the examples have each label."""
    return torch.bincount(labels, minlength=classes) if labels.dim() == 1 else labels.sum(0)


def whole_counts(raw: Float[Tensor, " classes"], examples: int) -> Int[Tensor, " classes"]:
    """Non-negative whole numbers near `raw` that sum to `examples`, by largest remainder."""
    raw = torch.nan_to_num(raw.double(), posinf=float(examples), neginf=0.0).clamp(0.0, float(examples))
    raw = raw if raw.any() else torch.ones_like(raw)
    raw = raw * (examples / raw.sum())
    counts = raw.floor().long()
    missing = max(examples - int(counts.sum()), 0)
    # A stable order, so that equal remainders go to the lower class on every machine.
    order = torch.sort(raw - counts, descending=True, stable=True).indices
    counts[order[:missing]] += 1
    return counts


def as_labels(counts: Int[Tensor, " classes"]) -> Int[Tensor, " examples"]:
    """Each class as often as it counts, in ascending order."""
    return torch.repeat_interleave(torch.arange(len(counts)), counts.cpu())


def as_shares(
    labels: Num[Tensor, "batch *own"], like: Float[Tensor, "batch classes"]
) -> Float[Tensor, "batch classes"]:
    """Class indices as one-hot rows; probabilities and sets of labels as they are; in the type of scores."""
    one_hot = labels.dim() == 1 and not labels.is_floating_point()
    return F.one_hot(labels, like.shape[1]).to(like) if one_hot else labels.to(like)


def unlike(one: Int[Tensor, "ones *classes"], other: Int[Tensor, "others *classes"]) -> Bool[Tensor, "ones others"]:
    """Of each pair whether the labels differ."""
    return (one[:, None] != other[None]).flatten(2).any(2) if one.dim() == 2 else one[:, None] != other[None]


def overlaps(one: Int[Tensor, "ones classes"], other: Int[Tensor, "others classes"]) -> Float[Tensor, "ones others"]:
    """Jaccard's index `|a ∩ b| / |a ∪ b|` of each pair of sets; 1 of two empty ones."""
    first, second = one.double(), other.double()
    both = first @ second.T
    either = first.sum(1)[:, None] + second.sum(1)[None] - both
    return torch.where(either > 0, both / either.clamp_min(1.0), 1.0)


def matched_overlaps(truths: Int[Tensor, "batch classes"], guesses: Int[Tensor, "guesses classes"]) -> list[float]:
    """Jaccard's index of each set and the guess that it is matched with, one to one, so that the sum is the greatest.

    0 where no guess is left. Source: Kuhn 1955, https://doi.org/10.1002/nav.3800020109.
    """
    alike = overlaps(truths, guesses)
    rows, columns = (torch.from_numpy(places) for places in linear_sum_assignment(alike.numpy(), maximize=True))
    found = torch.zeros(len(truths), dtype=torch.float64)
    found[rows] = alike[rows, columns]
    return list(found.tolist())
