"""The contracts of metrics, one for each kind of guess, and the registry that finds metrics by name."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.plugin import Plugin, Registry
from fedleak.contracts.reconstruction import Kind
from fedleak.learning.batch import Batch

Others = Literal["non_members", "other_clients"]


class Metric(Plugin, ABC):
    """Compares a guess with the truth, sample by sample; each subclass is for a kind of guess.

    `fedleak.evaluation.scoring` applies them.
    """

    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]
    """Better for the attacker: true means a higher value is more leakage."""
    compares: ClassVar[Kind]
    """What of the reconstruction the metric needs."""
    bounds: ClassVar[tuple[float, float]]
    """The least and the greatest value there can be."""
    threshold: ClassVar[float]
    """From where on a sample counts as leaked at the least; for images a task may ask for more, see
    `fedleak.evaluation.references`. Reports show the share of samples at or beyond it."""
    margin: ClassVar[float]
    """By how much a sample must beat each blind guess and each oracle reference before a report calls it leaked."""


class ExampleMetric(Metric):
    """Compares guessed images or labels with the true ones, after the two have been matched."""

    of_seen: ClassVar[bool] = False
    """Whether it judges only what clients trained on: pixels of the truth that no client saw are NaN then."""

    def inapplicable(self, truth: Batch) -> str | None:  # noqa: ARG002
        """Why the metric cannot judge such examples, None where it can."""
        return None

    @abstractmethod
    def per_sample(self, guess: Batch, truth: Batch) -> list[float]:
        """One value for each of the matched pairs.

        A metric on inputs gets as many guesses as truths, in the same order, and must not look at the guess's labels; a
        metric on labels gets all guessed labels in no particular order, and must not look at the inputs.
        """


class MembershipMetric(Metric):
    """Judges how far the examples behind an update stand out among others. A sample is one of these examples."""

    compares: ClassVar[Kind] = "membership"
    against: ClassVar[Others] = "non_members"
    """The others: examples that nobody trained on, or such as other clients trained on in the same round."""
    fewest: ClassVar[int] = 1
    """Others that there must be."""

    @abstractmethod
    def per_member(
        self, members: Float[Tensor, " members"], others: Float[Tensor, " others"]
    ) -> Float[Tensor, " members"]:
        """One value for each member from the attack's finite scores; only their order counts."""


class PropertyMetric(Metric):
    """Judges answers to the questions in `fedleak.contracts.properties`. A sample is one question about one message."""

    compares: ClassVar[Kind] = "properties"

    @abstractmethod
    def per_property(
        self, guess: Float[Tensor, " properties"], truth: Float[Tensor, " properties"]
    ) -> Float[Tensor, " properties"]:
        """One value for each question from the guessed probability of yes and the answer, 1 or 0."""


metrics: Registry[Metric] = Registry("metric", "fedleak.metrics")
