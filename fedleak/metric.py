"""The contract of a metric, and the registry that finds metrics by name."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from fedleak.batch import Batch
from fedleak.plugin import Plugin
from fedleak.registry import Registry


class Metric(Plugin, ABC):
    """Compares a guess with the truth, sample by sample, after the two have been matched (see `scoring`)."""

    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]
    """Better for the attacker: true means a higher value is more leakage."""
    compares: ClassVar[Literal["inputs", "labels"]]
    """What of the reconstruction the metric needs."""
    bounds: ClassVar[tuple[float, float]]
    """The least and the greatest value there can be."""
    threshold: ClassVar[float]
    """From where on a sample counts as leaked; reports show the share of samples at or beyond it."""
    margin: ClassVar[float]
    """By how much a sample must beat what guessing gives for it before a report calls it leaked."""

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
