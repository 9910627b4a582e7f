"""Callable service: any Python function from inputs to probabilities, asked like every other prediction API."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.errors import ServiceError, sentence
from fedleak.learning.space import InputSpace
from fedleak.serving.metered import Answered, Metered

TOLERANCE = 1e-3
"""How far the probabilities of an answer may be from summing to 1."""
Arrays = Literal["torch", "numpy"]
"""What a function is given its inputs as."""


class CallableService(Metered):
    """A service that asks a function of the user's, and takes of it what is an answer alone.

    The function gets inputs in shape (number, *shape), as a tensor or a numpy array in float32, and returns a row of
    probabilities for each, as either or as lists. Where it raises or returns anything else, `ask` raises `ServiceError`
    with a sentence.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        space: InputSpace,
        classes: int,
        *,
        queries: int,
        arrays: Arrays = "torch",
        tolerance: float = TOLERANCE,
    ) -> None:
        """Nobody has asked it yet. A greater `tolerance` suits a service that rounds or hides what it answers."""
        super().__init__(space, classes, queries)
        self._function = function
        self._arrays = arrays
        self._tolerance = tolerance

    def answered(self, inputs: Float[Tensor, "asked *shape"]) -> Answered:
        """What the function says, all of it in one call; what its model says behind it is not told."""
        given = inputs.clone()  # it may write into what it is given
        try:
            returned = self._function(given.numpy() if self._arrays == "numpy" else given)
        except Exception as error:  # a function of anybody's raises whatever it likes
            raise ServiceError(f"the service raised {sentence(error)}") from error
        answers = require_answers(as_rows(returned), len(inputs), self.classes, self._tolerance)
        return Answered(answers, answers)


def as_rows(returned: Any) -> Tensor:
    """Numbers in float32, whatever holds them; raises `ServiceError` where these are none."""
    try:
        return torch.as_tensor(returned).detach().to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ServiceError(
            f"expected the service to answer with rows of probabilities, got {type(returned).__name__}, which is no "
            "array of numbers"
        ) from error


def require_answers(
    answers: Tensor, asked: int, classes: int, tolerance: float | None = TOLERANCE
) -> Float[Tensor, "asked classes"]:
    """The answers; raises `ServiceError` where they are no probabilities of so many classes for so many inputs.

    Without a tolerance nothing is said of their sum: a defense may have rounded or hidden some.
    """
    wanted = f"expected the service to answer with {asked} rows of {classes} probabilities"
    if answers.dim() != 2 or len(answers) != asked:
        raise ServiceError(f"{wanted}, got shape {tuple(answers.shape)}")
    if answers.shape[1] != classes:
        raise ServiceError(f"{wanted}, one for each class, got {answers.shape[1]} classes")
    slack = TOLERANCE if tolerance is None else tolerance
    for wrong, what in (
        (~answers.isfinite(), "NaN or infinity"),
        (answers < -slack, "a negative number"),
        (answers > 1 + slack, "a number above 1"),
    ):
        if wrong.any():
            raise ServiceError(f"{wanted}, got {what} in row {int(wrong.any(1).int().argmax())}")
    sums = answers.sum(1)
    worst = int((sums - 1).abs().argmax())
    if tolerance is not None and abs(float(sums[worst]) - 1) > tolerance:
        raise ServiceError(
            f"{wanted} that sum to 1, got {float(sums[worst]):.4g} in row {worst}; of a service that rounds or hides "
            "what it answers raise the tolerance"
        )
    return answers
