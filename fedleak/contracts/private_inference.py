"""Private inference: what a model says, computed by operators who see neither the inputs nor what it says of them."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Float64
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What answers took that were really computed so, all of them together."""

    answers: int = 0
    seconds: float = 0.0
    """Processor time of the user and of the operator, of several that which took longest; without keys, the start of
    processes and waiting."""
    uploaded: int = 0
    """Bytes of ciphertexts or shares that the user sent."""
    downloaded: int = 0
    """Bytes of those that it got back."""
    between: int = 0
    """Bytes that those who compute sent each other."""
    once: int = 0
    """Bytes that were sent once for all answers: keys, or shares of the model."""
    difference: float = 0.0
    """The farthest that a score was from that of the same network in plain."""

    def and_then(self, more: "Cost") -> "Cost":
        """Both together."""
        summed = {name: value + getattr(more, name) for name, value in vars(self).items() if name != "difference"}
        return Cost(**summed, difference=max(self.difference, more.difference))


@dataclass(frozen=True, kw_only=True)
class PrivateRecord:
    """What a service noted whose operator sees no requests."""

    defense: str
    cost: Cost


class PrivateEvaluation(ABC):
    """One model in the hands of operators who do not see what they compute."""

    most: float = math.inf
    """How many answers of a service it computes, the first ones; those behind them are of the same network in plain."""

    @abstractmethod
    def scores(self, inputs: Float[Tensor, "asked *shape"]) -> tuple[Float64[Tensor, "asked classes"], Cost]:
        """What the user reads once the answers are back, and what they took, but for `Cost.difference`.

        What is sent once for all answers is in the cost of the first that are asked for after it was sent.
        """


class OperatorSight:
    """What the operator of a prediction API gets to see under a defense, and what the defense needs of that."""

    sees_requests: ClassVar[bool] = True
    """Whether it sees inputs and what the model says of them; False: it computes without, by `evaluation`."""
    counts_alone: ClassVar[bool] = False
    """Whether the defense acts by the number of requests alone, as an operator can who sees nothing else."""

    def require_installed(self) -> None:
        """Raises `ConfigError` where a package is missing that the defense needs to act."""
