"""Feature inversion: images whose features are given, found by descent through the front of a network."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.reconstruction import Reconstruction

from ..optimizers.first_order import adam
from .initialization import gray
from .loop import Matching
from .objective import Gradient, Guess, Objective
from .regularizers import total_variation
from .variables import Variables


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureMatch(Objective):
    """`|front(x) - z|² / |z|²` of every image x and its features z, plus the total variation, pixels in [0, 1].

    Source: https://arxiv.org/abs/2209.05578
    """

    front: Callable[[Tensor], Tensor]
    """From images to what a layer sees of them."""
    features: Float[Tensor, "batch features"]
    smoothness: float
    """Weight of the total variation of an image."""

    @property
    def vectorizes(self) -> bool:
        return False

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:  # noqa: ARG002
        images = variables["inputs"]
        return self.unexplained(images).sum() + self.smoothness * len(images) * total_variation(images)

    def guess(self, variables: Variables) -> Guess:
        return Guess(variables["inputs"])

    def project(self, variables: Variables) -> None:
        variables["inputs"].clamp_(0.0, 1.0)

    def unexplained(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, " batch"]:
        """The share of the energy of each image's features that the image leaves unexplained."""
        rest: Tensor = (self.front(images) - self.features).square().sum(1)
        return rest / self.features.square().sum(1).clamp_min(1e-30)


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """How images are moved until they have the features: Adam from mid-gray, the rate going down along a cosine."""

    steps: int
    learning_rate: float
    smoothness: float
    """Weight of the total variation of an image."""

    def run(
        self,
        front: Callable[[Tensor], Tensor],
        features: Float[Tensor, "batch features"],
        shape: tuple[int, int, int],
        rng: Generator,
    ) -> tuple[Reconstruction, Float[Tensor, " images"]]:
        """The images, and the share of each one's features that is left unexplained; of none where it failed."""
        objective = FeatureMatch(front=front, features=features, smoothness=self.smoothness)
        start = {"inputs": gray(len(features), shape, rng)}
        guess = Matching(optimizer=adam(self.learning_rate), steps=self.steps).run(objective, [start], rng)
        if guess.inputs is None:
            return guess, features.new_zeros(0)
        with torch.no_grad():
            return guess, objective.unexplained(guess.inputs)
