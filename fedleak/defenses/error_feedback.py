"""Error feedback around another defense."""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.random_k import RandomK
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update
from fedleak.learning.weights import NamedTensors


@defenses.register("error-feedback")
@dataclass(frozen=True, kw_only=True)
class ErrorFeedback(Defense):
    """Adds to each update what another defense kept back in earlier rounds, so that nothing is lost, only late.

    What is kept is the client's secret: nothing in the first round, later it is noise to an attacker who looks at one.
    """

    paper: ClassVar = "https://arxiv.org/abs/1901.09847"
    cites: ClassVar = "karimireddy2019error"
    adaptive_strategy: ClassVar[str] = "makes of what was sent what it would without the feedback"
    of: Defense
    """The defense of the update whose error is kept, such as `top-k`."""

    def __post_init__(self) -> None:
        if self.of.acts_on - {"requirements", "update"}:
            raise ConfigError(
                f"error-feedback needs a defense that acts on the update alone, such as 'top-k', got '{self.of.name}'; "
                "put that one beside it in the chain"
            )
        if isinstance(self.of, RandomK) and self.of.scaled:
            raise ConfigError(f"error-feedback would add up what '{self.of.name}' sends in excess; leave scaled out")

    def require(self, task: Task) -> None:
        self.of.require(task)

    def load_state(self, update: Update, kept: NamedTensors) -> Update:
        return Update({name: value + kept.get(name, 0.0) for name, value in update.tensors.items()}, update.kind)

    def protect(self, update: Update, rng: Generator) -> Update:
        return self.of.protect(update, rng)

    def save_state(self, given: Update, sent: Update) -> NamedTensors:
        return {name: value - sent.tensors[name] for name, value in given.tensors.items()}

    def sensitivity_bound(self, norm: float) -> float:
        return self.of.sensitivity_bound(math.inf)  # what is kept may be of any length

    def noise(self, training: LocalTraining) -> float:
        return self.of.noise(training)

    def encoded_bytes(self, sent: Update) -> int:
        return self.of.encoded_bytes(sent)

    def observed_mask(self, sent: Update) -> NamedTensors | None:
        return self.of.observed_mask(sent)

    @property
    def sends_largest(self) -> bool:  # type: ignore[override]  # a wrapper sends what the one within it does
        return self.of.sends_largest

    def relaxed(self, given: Update) -> Update:
        return self.of.relaxed(given)

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:
        return self.of.negative_log_likelihood(given, sent)
