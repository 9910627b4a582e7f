"""Rounding of released weights to fewer bits of their mantissa."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights


@defenses.register("round-weights")
@dataclass(frozen=True, kw_only=True)
class RoundWeights(Defense):
    """Rounds every released parameter to the nearest number of `mantissa` bits behind the leading one.

    A float32 has 23; what is written into the others is gone, whoever wrote it, and the model hardly notices. What is
    hidden in the size or the signs of parameters stays. Nothing is proved by it.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    mantissa: Annotated[int, Field(ge=1, le=22)] = 8
    """Bits that are left; bfloat16 has 7, float16 10."""

    def release(self, task: Task, weights: Weights, public: Batch | None, rng: Generator) -> Weights:
        rounded = {name: self._rounded(value) for name, value in weights.parameters.items()}
        return Weights(rounded, {name: value.clone() for name, value in weights.buffers.items()})

    def _rounded(self, values: Tensor) -> Tensor:
        mantissa, exponent = torch.frexp(values)
        return torch.ldexp((mantissa * math.ldexp(1, self.mantissa + 1)).round(), exponent - self.mantissa - 1)
