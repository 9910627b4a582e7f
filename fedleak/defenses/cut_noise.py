"""Laplace noise at the cut."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.settings.base import Amount


@defenses.register("cut-noise")
@dataclass(frozen=True, kw_only=True)
class CutNoise(Defense):
    """Adds independent Laplace(0, scale) noise to every number of an embedding that a passive party sends.

    In training and in testing, of every party but the active one. Training makes embeddings longer the more noise there
    is; so before that one longer than `max_norm`, which is ours, is scaled down to it, and the party trains through
    that. Nothing is proved of it: there is no epsilon, bounded or not. As long as the weights of a party stay what they
    are, a row has the same noise; from step to step it is fresh, and averages out over embeddings that hardly move.
    """

    paper: ClassVar = "https://arxiv.org/abs/2104.05743"
    cites: ClassVar = "titcombe2021practical"
    scale: Amount
    """Mean absolute value of the noise, in units of an embedding's number; its variance is 2 scale²."""

    max_norm: Annotated[float, Field(gt=0)] | None = None
    """Greatest Euclidean norm of an embedding before the noise; None: no bound, as in the paper."""

    def expected_embedding(self, sent: Float[Tensor, "*embedding"]) -> Float[Tensor, "*embedding"]:
        if self.max_norm is not None and (norm := sent.norm()) > self.max_norm:
            sent = sent * (self.max_norm / norm)
        return sent

    def embedding(self, sent: Float[Tensor, "*embedding"], rng: Generator) -> Float[Tensor, "*embedding"]:
        sent = self.expected_embedding(sent)
        if self.scale == 0:
            return sent
        magnitude = torch.empty(sent.shape, dtype=sent.dtype).exponential_(generator=rng)
        sign = torch.randint(0, 2, sent.shape, generator=rng) * 2 - 1
        return sent + self.scale * magnitude * sign
