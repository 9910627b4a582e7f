"""Checks of a received model: figures of it against thresholds, and what a client does at an alarm."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from fedleak.contracts.defense import Defense
from fedleak.contracts.received import Alarm, Received
from fedleak.learning.weights import Weights

MOST_EXAMPLES = 256
"""Of a round's examples, those that a check looks at at most."""
UNBOUNDED = 1e6
"""What stands for a figure that has no bound, as a quotient by zero."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One figure of a received model."""

    value: float
    words: str
    """What was seen where it is above its threshold, as a clause without figures."""


@dataclass(frozen=True, kw_only=True)
class ModelCheck(Defense):
    """A defense that looks at the received model before training, and raises an alarm above a threshold.

    Of several figures above theirs the first is told.
    """

    compares_rounds: ClassVar[bool] = False
    """Whether it compares a model with an earlier one: what it finds odd is none to compare the next with."""
    caveat: ClassVar[str] = "a check sees the servers that it was made for, and one that knows it may stay below"
    on_alarm: Literal["refuse", "report"] = "refuse"
    """Whether a client leaves the round at an alarm, or trains all the same and only reports it to its own side."""

    by_examples: ClassVar[frozenset[str]] = frozenset()
    """The figures that follow from the client's own examples too."""

    @property
    def leaves_by_examples(self) -> bool:
        return self.on_alarm == "refuse" and not self.by_examples.isdisjoint(self.thresholds)

    @abstractmethod
    def findings(self, received: Received) -> Mapping[str, Finding]:
        """The figures that there are, by name; more is more suspicious."""

    @property
    @abstractmethod
    def thresholds(self) -> Mapping[str, float]:
        """The most that an honest model is taken to have, by the names of the figures that are looked at."""

    def statistics(self, received: Received) -> Mapping[str, float]:
        """The raw figures, so that a check can also be judged at other thresholds."""
        return {name: found.value for name, found in self.findings(received).items()}

    def inspect(self, received: Received) -> Alarm | None:
        return self.alarm(self.findings(received))

    def alarm(self, found: Mapping[str, Finding]) -> Alarm | None:
        """What is above its threshold of the figures of a model; None: nothing."""
        for name, threshold in self.thresholds.items():
            if name in found and found[name].value > threshold:
                return Alarm(
                    defense=self.name,
                    statistic=name,
                    value=found[name].value,
                    threshold=threshold,
                    words=found[name].words,
                    refuses=self.on_alarm == "refuse",
                )
        return None


def greatest(found: Mapping[str, float], words: str) -> Finding:
    """The greatest figure of several layers; `words` has a place for the name of its layer."""
    name = max(found, key=lambda one: found[one])
    return Finding(value=min(found[name], UNBOUNDED), words=words.format(name))


def matrices(weights: Weights) -> dict[str, Tensor]:
    """The weight matrices, in float64: all that has two dimensions or more, each as rows, frozen ones among them."""
    state = weights.state_dict().items()
    return {name: value.double().flatten(1) for name, value in state if value.dim() > 1 and value.is_floating_point()}
