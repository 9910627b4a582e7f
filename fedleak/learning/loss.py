"""Loss functions that clients minimize, and what each leaves in the gradient of the last layer.

A criterion sees scores, one for each class of each example, and labels: class indices, rows of zeros and ones where an
example has several, or probabilities where a defense mixes examples or an attack optimizes them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor

from fedleak.learning.batch import as_shares
from fedleak.randomness import generator

Scores = Float[Tensor, "batch classes"]
Labels = Num[Tensor, "batch *classes"]
PROBES, NEARLY = 64, 0.95
SETTLED = 100
"""Rounds in which the sum of class weights of a batch settles."""


@dataclass(frozen=True, kw_only=True)
class Criterion(ABC):
    """The mean over examples of a loss of each."""

    borderline: ClassVar[float] = 0.0
    """The score from which on an example has a label, where it may have several."""
    single_logit: bool = False
    """Whether the network gives of two classes the second's logit alone: the first's is then 0."""
    several_labels: bool = False
    """Whether an example has any number of labels, each class being right or wrong by itself."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What it is, for sentences."""

    @property
    def plain(self) -> bool:
        """Whether it is mean cross-entropy and nothing else, which closed rules are derived for."""
        return False

    @property
    def proves_presence(self) -> bool:
        """Whether a class without an example never lowers its own score."""
        return False

    @property
    def balanced(self) -> bool:
        """Whether the derivatives by the scores of an example sum to zero, as a softmax's do."""
        return False

    @abstractmethod
    def each(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:
        """The loss of each example; their sum over that of their `sizes` is the mean."""

    def sizes(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:  # noqa: ARG002
        """What each example adds to the number that the sum is divided by: 1, or its class's weight."""
        return torch.ones_like(scores[:, 0])

    def normalizers(self, counts: Float[Tensor, "batches classes"]) -> Float[Tensor, " batches"]:
        """What the sum is divided by in batches that have each class so often."""
        return counts.sum(1)

    def mean(self, scores: Scores, labels: Labels, shares: Float[Tensor, " batch"] | None = None) -> Float[Tensor, ""]:
        """The loss of a batch, in which examples may count more or less: each by its share."""
        each, sizes = self.each(scores, labels), self.sizes(scores, labels)
        return each.sum() / sizes.sum() if shares is None else (shares * each).sum() / (shares * sizes).sum()

    def scores(self, outputs: Tensor) -> Scores:
        """A score for each class from what a network gives."""
        if not self.single_logit:
            return outputs
        logit = outputs.reshape(len(outputs), 1) if outputs.dim() else outputs.reshape(1, 1)
        return torch.cat([torch.zeros_like(logit), logit], 1)

    def activation(
        self,
        scores: Float[Tensor, "*batch classes"],  # noqa: ARG002
    ) -> Float[Tensor, "*batch classes"] | None:
        """What of the scores the labels are taken off in the derivative; None where it has no such form."""
        return None

    def shares(
        self,
        activation: Float[Tensor, " classes"],  # noqa: ARG002
        bias: Float[Tensor, " classes"],  # noqa: ARG002
        examples: int,  # noqa: ARG002
    ) -> Float[Tensor, " classes"] | None:
        """The classes' shares of a batch, by the mean activation and the gradient of the last layer's bias."""
        return None

    def shows_presence(self, classes: int) -> bool:
        """Whether signs tell who is there, on nearly all of some random scores: an own class's down, others' up."""
        rng, labels = generator("signs of a criterion"), torch.arange(PROBES) % classes
        slopes = self.derivative(0.5 * torch.randn(PROBES, classes, generator=rng), labels)
        own = F.one_hot(labels, classes).bool()
        return bool((slopes[own] < 0).double().mean() > NEARLY and (slopes[~own] >= 0).double().mean() > NEARLY)

    def decided(self, scores: Scores) -> Labels:
        """The labels that scores decide for: the highest, or where there are several all above the borderline."""
        return (scores > self.borderline).long() if self.several_labels else scores.argmax(1)

    def derivative(self, scores: Scores, labels: Labels) -> Scores:
        """Of each example's loss by its scores."""
        leaf = scores.detach().requires_grad_()
        with torch.enable_grad():
            (found,) = torch.autograd.grad(self.each(leaf, labels).sum(), leaf)
        return found


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Criterion):
    """Cross-entropy, as torch has it; of a single logit it is binary cross-entropy."""

    class_weights: tuple[float, ...] = ()
    """How much the examples of each class count; the mean is over the weights, but of a single logit over examples."""
    label_smoothing: float = 0.0
    """Share of each label that is spread evenly over all classes. Of labels that are probabilities torch divides a
    weighted sum by the number of examples, and this, as of class indices, by their weights."""

    @property
    def words(self) -> str:
        weights = [f"class_weights = {list(self.class_weights)}"] if self.class_weights else []
        smoothing = [f"label_smoothing = {self.label_smoothing:g}"] if self.label_smoothing else []
        kind = "binary cross-entropy" if self.single_logit else "cross-entropy"
        return " and ".join([f"{kind} with {'; '.join(weights + smoothing)}" if weights or smoothing else kind])

    @property
    def plain(self) -> bool:
        return not self.class_weights and not self.label_smoothing

    @property
    def proves_presence(self) -> bool:
        return not self.label_smoothing

    @property
    def balanced(self) -> bool:
        return True

    def each(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:
        if self.plain:
            return F.cross_entropy(scores, labels, reduction="none")
        wanted = as_shares(labels, scores)
        smooth = (1 - self.label_smoothing) * wanted + self.label_smoothing / scores.shape[1]
        return -(smooth * self._weights(scores) * scores.log_softmax(1)).sum(1)

    def mean(self, scores: Scores, labels: Labels, shares: Float[Tensor, " batch"] | None = None) -> Float[Tensor, ""]:
        if self.plain and shares is None:
            return F.cross_entropy(scores, labels)
        return super().mean(scores, labels, shares)

    def sizes(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:
        if not self.class_weights or self.single_logit:
            return torch.ones_like(scores[:, 0])
        return as_shares(labels, scores) @ self._weights(scores)

    def normalizers(self, counts: Float[Tensor, "batches classes"]) -> Float[Tensor, " batches"]:
        return counts.sum(1) if self.single_logit else counts @ self._weights(counts)

    def activation(self, scores: Float[Tensor, "*batch classes"]) -> Float[Tensor, "*batch classes"]:
        return scores.softmax(-1)

    def shares(
        self, activation: Float[Tensor, " classes"], bias: Float[Tensor, " classes"], examples: int
    ) -> Float[Tensor, " classes"]:
        """Solves `g = a p̄ - (1 - s) m / N - s K v / (C N)` for counts n of C classes in K examples.

        Here s is the smoothing, v the class weights, `m = n v`, N the normalizer, and a is
        `((1 - s) Σ m + s K Σ v / C) / N`.
        Where N and a hang on the counts themselves, they are found by repetition.
        """
        if self.plain:
            return activation - bias
        weights, kept, classes = self._weights(bias), 1 - self.label_smoothing, len(bias)
        spread = self.label_smoothing * examples / classes
        counts = torch.full_like(bias, examples / classes)
        for _ in range(SETTLED):
            size = self.normalizers(counts[None])[0]
            pull = (kept * (counts * weights).sum() + spread * weights.sum()) / size
            counts = (size * (activation * pull - bias) - spread * weights) / (kept * weights)
            counts = counts.clamp_min(0.0)
            counts = counts * (examples / counts.sum().clamp_min(1e-12))
        return counts / examples

    def _weights(self, like: Tensor) -> Tensor:
        return torch.tensor(self.class_weights, device=like.device, dtype=like.dtype) if self.class_weights else (
            torch.ones(like.shape[-1], device=like.device, dtype=like.dtype)
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _OverClasses(Criterion):
    """The mean over the classes of a loss of each score, whose derivative is `steepness (activation - label)`."""

    steepness: ClassVar[float] = 1.0

    def shares(
        self,
        activation: Float[Tensor, " classes"],
        bias: Float[Tensor, " classes"],
        examples: int,  # noqa: ARG002
    ) -> Float[Tensor, " classes"]:
        return activation - len(bias) * bias / self.steepness


@dataclass(frozen=True, kw_only=True)
class OneAgainstRest(_OverClasses):
    """Binary cross-entropy of an output for each class, the mean over all of them: several could be right."""

    @property
    def words(self) -> str:
        return f"binary cross-entropy of each {'label' if self.several_labels else 'class'}"

    @property
    def proves_presence(self) -> bool:
        return True

    def each(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:
        wanted = as_shares(labels, scores)
        return F.binary_cross_entropy_with_logits(scores, wanted, reduction="none").mean(1)

    def activation(self, scores: Float[Tensor, "*batch classes"]) -> Float[Tensor, "*batch classes"]:
        return scores.sigmoid()


@dataclass(frozen=True, kw_only=True)
class SquaredError(_OverClasses):
    """Mean squared error between scores and one-hot labels (Brier's score of the scores themselves)."""

    steepness: ClassVar = 2.0
    borderline: ClassVar = 0.5

    @property
    def words(self) -> str:
        return "mean squared error"

    def each(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:
        return (scores - as_shares(labels, scores)).square().mean(1)

    def activation(self, scores: Float[Tensor, "*batch classes"]) -> Float[Tensor, "*batch classes"]:
        return scores
