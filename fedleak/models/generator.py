"""Generator of images: a variational autoencoder of images and their classes, whose samples look like what it saw."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape

NOISE = 0.2
"""Standard deviation of a pixel about what is decoded."""


class Generating(nn.Module):
    """Its score for a class is a bound on the logarithm of how likely image and class are together, in nats a pixel.

    So the loss `likelihood`, minus the score of an example's class, trains all of it, and the highest score is Bayes'
    rule. Latent vectors are N(0, 1) a priori; in training they are drawn, else they are where they most likely are.
    """

    def __init__(self, shape: Shape, classes: int, hidden: int, latent: int) -> None:
        super().__init__()
        pixels = prod(shape)
        self.latent = latent
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, pixels), nn.Sigmoid())
        self.classes = nn.Linear(latent, classes)

    def forward(self, images: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch classes"]:
        mean, log_variance = self.encoder(images).chunk(2, 1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        latents = mean + (0.5 * log_variance).exp() * noise
        squares = (self.decoder(latents) - images.flatten(1)).square().sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)
        bound = -(squares / (2 * NOISE**2) + divergence)
        scores: Tensor = (bound[:, None] + self.classes(latents).log_softmax(1)) / images[0].numel()
        return scores


@models.register("generator")
@dataclass(frozen=True, kw_only=True)
class Generator(Model):
    """A variational autoencoder of two perceptrons that gives images and their classes; trained by its likelihood."""

    paper: ClassVar = "https://arxiv.org/abs/1312.6114"
    cites: ClassVar = "kingma2014auto"
    images_only: ClassVar = True
    loss: ClassVar = "likelihood"
    hidden: int = 64
    latent: int = 8

    def network(self, shape: Shape, classes: int) -> nn.Module:
        return Generating(shape, classes, self.hidden, self.latent)
