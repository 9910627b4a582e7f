"""Loss watch: whether a received model does worse on a client's own examples than training makes it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from fedleak.contracts.defense import defenses
from fedleak.contracts.received import Received
from fedleak.defenses.parts.model_check import Finding, ModelCheck
from fedleak.errors import ConfigError
from fedleak.formatting import listed
from fedleak.learning.loss import CrossEntropy
from fedleak.learning.task import mean_loss
from fedleak.learning.weights import Weights
from fedleak.settings.base import Amount
from fedleak.settings.federation import FederationSettings

Figure = Literal["level", "jump"]
WORDS: Mapping[Figure, str] = {
    "level": "the model does far worse on the client's examples than guessing does",
    "jump": "the model does far worse on the client's examples than the one before",
}


@defenses.register("loss-watch")
@dataclass(frozen=True, kw_only=True)
class LossWatch(ModelCheck):
    """Loss anomaly detection: looks whether the received model's loss on the client's own examples is out of line.

    Two figures, both in units of the loss of guessing, the logarithm of the number of classes: `level`, the loss, and
    `jump`, how much higher it is than that of the last model that raised no alarm, on the same examples. The first
    round has no `jump`. Where examples have several labels, guessing has the logarithm of two.

    By default neither is above its threshold in the 832 honest rounds of a client that are described at `weight-watch`;
    single examples on a wide network came nearest, with a level of 1.6 and a jump of .94.
    """

    compares_rounds: ClassVar = True
    paper: ClassVar = "https://arxiv.org/abs/2511.10502"
    cites: ClassVar = "carletti2025detectability"
    by_examples: ClassVar[frozenset[str]] = frozenset({"level", "jump"})
    looks_at: tuple[Figure, ...] = ("level", "jump")
    """The figures that raise alarms."""
    level: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    jump: Amount = 1.0

    def __post_init__(self) -> None:
        if not self.looks_at:
            raise ConfigError(f"looks_at: expected some of {', '.join(WORDS)}, got none")

    @property
    def thresholds(self) -> Mapping[str, float]:
        return {name: getattr(self, name) for name in self.looks_at}

    def planned(self, phases: tuple[FederationSettings, ...]) -> "LossWatch":
        """Without `jump` in a run of one round, which has no earlier model."""
        if sum(phase.rounds for phase in phases) > 1:
            return self
        if self.looks_at == ("jump",):
            raise ConfigError(
                f"'{self.name}' looks at how the loss changed since the last round alone, and this run has one round "
                "and so no earlier model; set federation.rounds = 2, or let it look at level too"
            )
        return replace(self, looks_at=("level",))

    @property
    def outline(self) -> str:
        if "jump" in self.looks_at:
            return ""
        return f"'{self.name}' goes by {listed(self.looks_at)}, and not by the change since an earlier model"

    def findings(self, received: Received) -> Mapping[str, Finding]:
        if not len(received.examples):  # of Poisson samples there may be none
            return {}
        own = _loss(received, received.weights)
        values: dict[Figure, float] = {"level": own}
        if received.earlier is not None:
            values["jump"] = own - _loss(received, received.earlier)
        # A loss that is no number is told by training itself, with what to do about it.
        return {name: Finding(value=value, words=WORDS[name]) for name, value in values.items() if math.isfinite(value)}


def _loss(received: Received, weights: Weights) -> float:
    """Of the client's examples, in units of that of guessing."""
    task = received.task
    classes = task.classes if isinstance(task.criterion, CrossEntropy) else 2
    return mean_loss(task, weights, received.examples)[0] / math.log(max(classes, 2))
