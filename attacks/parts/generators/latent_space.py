"""Latent space: few coordinates that images are made from, so that whatever is searched looks like an image."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch

FEWEST = 20
"""Public images below which a space would only repeat them."""


@dataclass(frozen=True)
class LatentSpace(ABC):
    """Images by a few coordinates. A space is fitted once, to public images, and does not change."""

    scale: Float[Tensor, " dimensions"]
    """Standard deviation of each coordinate over public images: how far a search may go before it leaves them."""

    @property
    def dimensions(self) -> int:
        return len(self.scale)

    @abstractmethod
    def decode(self, latents: Float[Tensor, "batch dimensions"]) -> Float[Tensor, "batch *shape"]:
        """Examples in float32 and within their range; differentiable."""

    def draw(self, count: int, rng: Generator) -> Float[Tensor, "count dimensions"]:
        """Latents as those of public images are spread, each coordinate by itself: normal about zero."""
        return torch.randn(count, self.dimensions, generator=rng) * self.scale


def enough(public: Batch | None) -> Batch:
    """The public images, where there are enough to fit a space to; raises `NotApplicable` otherwise."""
    count = 0 if public is None else len(public)
    if public is None or count < FEWEST:
        raise NotApplicable(f"a generator needs public images, at least {FEWEST}, and there are {count}")
    return public
