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

    @abstractmethod
    def per_sample(self, guess: Batch, truth: Batch) -> list[float]:
        """One value for each of the matched pairs."""


metrics: Registry[Metric] = Registry("metric", "fedleak.metrics")
