"""A received model: what a client holds of it before it trains, and the alarm that a check of it raises."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Received:
    """What a client knows when it is sent a model to train. Nothing in it is the server's word but the model."""

    task: Task
    """With the network that is trained, as defenses changed it."""
    weights: Weights
    """What the round begins from: as received, but for the layers that the client has of its own."""
    earlier: Weights | None = None
    """The same of the last round that the client trusted: nothing refused, and no change found odd; None: none yet."""
    fresh: Weights | None = None
    """An initialization of the network by the client's own draws, for the scale of its layers."""
    examples: Batch
    """The client's own of the round; of Poisson samples maybe none."""
    training: LocalTraining
    round: int
    """From 1."""
    digest: bytes = b""
    """SHA-256 of the model as it came."""
    cohort: int = 1
    """Clients of a round."""
    digests: Mapping[int, bytes] | None = None
    """What clients of the round, this one among them, signed of the models they were sent, whose signatures are good;
    None: none were exchanged."""
    bound: bool = False
    """Whether masks are bound to the model, so that sums of updates of different models open for nobody."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """What a check saw in a received model."""

    defense: str
    statistic: str
    value: float
    """Above the threshold."""
    threshold: float
    words: str
    """What was seen, as a clause without a figure: the server may come to read it."""
    refuses: bool
    """Whether the client leaves the round for it."""

    @property
    def sentence(self) -> str:
        """With the figures, for the client's own eyes."""
        return f"{self.words} ({self.statistic} {self.value:.3g}, threshold {self.threshold:.3g})"


class Inspection:
    """What a client looks at before it trains."""

    def inspect(self, received: Received) -> Alarm | None:  # noqa: ARG002
        """What it sees in a model that it is sent, first in a round; None: nothing."""
        return None


class KnownOfInspection:
    """What is known of that to all."""

    compares_models: ClassVar[bool] = False
    """Whether it needs to know what models the other clients were sent."""
    trains_at_once: ClassVar[bool] = True
    """Of a protocol: whether clients train the server's model, at the one message that has it."""

    @property
    def leaves_by_examples(self) -> bool:
        """Whether it depends on a client's own examples if the client leaves a round: no noise covers that."""
        return False
