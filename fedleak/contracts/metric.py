"""The contract of metrics, that of metrics on examples, and the registry that finds metrics by name.

The contracts of metrics on other things are with their goals, in `fedleak.goals`.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from fedleak.contracts.plugin import Plugin, Registry
from fedleak.contracts.reconstruction import Kind
from fedleak.learning.batch import Batch


class Metric(Plugin, ABC):
    """Compares a guess with the truth, sample by sample; each subclass is for a kind of guess.

    The goal that it `compares` applies it.
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
    speaks: ClassVar[bool] = True
    """Whether its figure may be a verdict. One that does not only stands beside others: it can be high where nothing
    leaked, as what a classifier takes an image for."""
    hit_or_miss: ClassVar[bool | None] = None
    """Whether guessing hits some samples as well, so that a single hit is no finding; None: as of its goal."""

    @classmethod
    def bounds_beside(cls, prior: float) -> tuple[float, float]:  # noqa: ARG003
        """The same where the best constant guess is known to have so much, which may tell how much there is to find."""
        return cls.bounds


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


metrics: Registry[Metric] = Registry("metric", "fedleak.metrics")

MOVED = {"MembershipMetric": "fedleak.goals.membership", "PropertyMetric": "fedleak.goals.properties"}


def __getattr__(name: str) -> object:
    """Tells plug-ins that were written for an earlier version where a contract is now."""
    if name in MOVED:
        raise ImportError(f"{name} is no longer in {__name__}; import it from {MOVED[name]}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
