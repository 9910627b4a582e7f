"""Correlated decoding: reads examples out of parameters of a released model that were made to correlate with them."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.formatting import counted
from fedleak.learning.batch import Batch
from fedleak.learning.input_space import InputSpace
from fedleak.tamperings.correlated_encoding import CorrelatedEncoding, pearson

from ..parts.payload import PayloadDecoding, by_client, written_in

LEAST = 1e-12
"""The least distance between two ends that values are stretched between."""


@attacks.register("correlated-decoding")
@dataclass(frozen=True, kw_only=True)
class CorrelatedDecoding(PayloadDecoding):
    """Stretches the parameters that stand for an example to the range of its values, one example after the other.

    A correlation may have come out negative, of all that a client hides alike: the way round is taken that goes with
    the mean public example, without public data the one that leaves most values low.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    encoding: ClassVar = CorrelatedEncoding
    unwritten: ClassVar = "no parameters were made to correlate"
    tails: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
    """The share of an example's parameters at either end that is cut off; 0, as in the paper: none, so that a single
    one far out makes the whole example pale."""

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        written, sent = written_in(observation, CorrelatedEncoding, self.unwritten)
        task = observation.task
        slices = written.slices(task, sent, len(observation.cohort))
        own = [one.double().view(-1, *task.shape) for one in by_client(observation, sent, slices)]
        turned = [one * _direction(one, observation.auxiliary) for one in own]
        turns = sum(bool((one != other).any()) for one, other in zip(own, turned, strict=True))
        return Reconstruction(
            payload=torch.stack([self._stretched(one, task.space) for one in turned]),
            note=f"of {counted(slices.clients, 'client')} the correlation of {turns} seems to be negative",
        )

    def _stretched(self, values: Float[Tensor, "places *shape"], space: InputSpace) -> Float[Tensor, "places *shape"]:
        rows = values.flatten(1)
        ends = torch.tensor([self.tails, 1 - self.tails], dtype=rows.dtype)
        low, high = rows.quantile(ends, dim=1, keepdim=True)
        shares = ((rows - low) / (high - low).clamp(min=LEAST)).clamp(0, 1)
        return space.at(shares).float().view_as(values)


def _direction(values: Float[Tensor, "places *shape"], public: Batch | None) -> float:
    """1 where larger parameters stand for larger values, else -1, by what examples are usually like."""
    if public is None or not len(public):
        sure = (values - values.mean()).pow(3).sum()
    else:
        sure = pearson(values.mean(0).flatten(), public.inputs.mean(0).flatten().to(values))
    return -1.0 if sure < 0 else 1.0
