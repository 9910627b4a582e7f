"""Noise in confidences, fresh for each query or fixed for an input."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.contracts.traffic import Asked
from fedleak.randomness import generator
from fedleak.settings.base import Amount


@defenses.register("confidence-noise")
@dataclass(frozen=True, kw_only=True)
class ConfidenceNoise(Defense):
    """Adds independent N(0, std²) to every probability, cuts what is negative, and divides by the sum.

    So answers stay probabilities, and their noise is std only before that. Each row has draws of its own: by its place
    among all that was asked, or, where the noise is sticky, by the input to its last bit. A row of which nothing
    positive is left is uniform.
    """

    paper: ClassVar = "https://arxiv.org/abs/1906.10908"
    cites: ClassVar = "orekondy2020prediction"
    adaptive_strategy: ClassVar[str] = "averages answers around a point, over as many as the noise asks for"
    std: Amount
    """Standard deviation of the noise in a probability."""
    sticky: bool = False
    """Whether the same input has the same noise whenever it is asked."""

    @property
    def answer_noise(self) -> float:
        return self.std

    @property
    def caveat(self) -> str:
        if self.std == 0:
            return ""
        if self.sticky:
            return "noise that is fixed for an input averages out over inputs that are nearly the same"
        return "noise that is fresh for each query averages out over the same input asked again"

    def answer(self, asked: Asked, rng: Generator) -> Float[Tensor, "asked classes"]:
        if self.std == 0:
            return asked.probabilities
        classes = asked.probabilities.shape[1]
        noise = torch.stack([torch.randn(classes, generator=dice) for dice in self._dice(asked, rng.initial_seed())])
        noisy = (asked.probabilities + self.std * noise.to(asked.probabilities)).clamp_min(0)
        total = noisy.sum(1, keepdim=True)
        return torch.where(total > 0, noisy / total, torch.full_like(noisy, 1 / classes))

    def _dice(self, asked: Asked, seed: int) -> list[Generator]:
        """A generator for each row, which is the same whatever it is asked with."""
        if self.sticky:
            # Zero is added because it has two signs, and the same value has the same noise.
            return [generator(seed, "input", (row + 0.0).numpy().tobytes()) for row in asked.inputs]
        return [generator(seed, "query", len(asked.history) + place) for place in range(len(asked))]
