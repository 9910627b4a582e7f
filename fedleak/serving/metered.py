"""Metered service: answers within a budget, and a log of all that it was asked."""

from abc import abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.served import Service
from fedleak.errors import ConfigError
from fedleak.learning.growing import Growing
from fedleak.learning.space import InputSpace
from fedleak.serving.log import QueryLog


class Answered(NamedTuple):
    """What is known of some queries, a row each."""

    probabilities: Float[Tensor, "asked classes"]
    """What the model says; where that cannot be told, what was answered."""
    answers: Float[Tensor, "asked classes"]
    """What the user gets; NaN was refused."""


class Metered(Service):
    """A service that takes so many inputs, clamped to the range, and no more.

    What its defenses refuse counts, and what it breaks down over: that was asked too.
    """

    def __init__(self, space: InputSpace, classes: int, queries: int, dtype: torch.dtype = torch.float32) -> None:
        """Nobody has asked it yet. Answers are in `dtype`, the log is in single precision."""
        if queries < 0:
            raise ConfigError(f"expected queries of 0 or more, got {queries}")
        self.space = space
        self.classes = classes
        self.queries = queries
        self.dtype = dtype
        self._inputs = Growing(space.shape)
        self._probabilities, self._answers = Growing((classes,)), Growing((classes,))
        self._explaining = Growing()  # a row for each question that explanations count as beside those about their rows

    @property
    def asked(self) -> int:
        """How many inputs it took so far, and what explanations counted as beside these."""
        return len(self._inputs) + len(self._explaining)

    @property
    def remaining(self) -> int:
        return self.queries - self.asked

    @property
    def log(self) -> QueryLog:
        """All that was asked so far, as a copy."""
        past = self.past
        return QueryLog(
            inputs=past.inputs.clone(), probabilities=past.probabilities.clone(), answers=past.answers.clone()
        )

    @property
    def past(self) -> QueryLog:
        """The same without a copy: nobody may change it."""
        rows = self._inputs.rows, self._probabilities.rows, self._answers.rows
        return QueryLog(inputs=rows[0], probabilities=rows[1], answers=rows[2])

    def ask(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked classes"]:
        """As `Service.ask`; raises `ConfigError` for inputs of another shape, or that are no numbers."""
        wanted = checked(inputs, self.space)
        taken = wanted[: max(0, self.queries - self.asked)]
        answers = torch.full((len(wanted), self.classes), torch.nan, dtype=self.dtype)
        if len(taken):
            answers[: len(taken)] = self._logged(taken)
        return answers.to(inputs.device)

    @abstractmethod
    def answered(self, inputs: Float[Tensor, "asked *shape"]) -> Answered:
        """What it makes of inputs that are within the budget, the range and the shape."""

    def _logged(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked classes"]:
        nothing = torch.full((len(inputs), self.classes), torch.nan)
        said = Answered(nothing, nothing)
        try:
            said = self.answered(inputs)
        finally:
            for growing, rows in zip((self._inputs, self._probabilities, self._answers), (inputs, *said), strict=True):
                growing.append(rows)
        return said.answers


def checked(inputs: Float[Tensor, "asked *any"], space: InputSpace) -> Float[Tensor, "asked *shape"]:
    """Inputs as a service takes them: a copy in float32, within the range; raises where it cannot."""
    if tuple(inputs.shape[1:]) != space.shape:
        raise ConfigError(
            f"expected inputs of shape (number, {', '.join(map(str, space.shape))}), got {tuple(inputs.shape)}"
        )
    if inputs.isnan().any():
        raise ConfigError("expected inputs that are numbers, got NaN among them")
    return space.clamped(inputs.detach().to("cpu", torch.float32, copy=True)).contiguous()
