"""Conditional variational autoencoder of public images: its decoder is a prior on what images look like."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from fedleak.learning.batch import Batch
from fedleak.learning.space import require_images
from fedleak.learning.task import Task
from fedleak.progress import report
from fedleak.randomness import seeded

from ..optimizers.first_order import adam
from .fit import fit

GROUP = 32
"""Images of one step of training."""
WIDTH = 32
RATE = 2e-3
PIXEL_NOISE = 0.1
"""Standard deviation of a pixel around what is decoded: finer detail than that is not worth coding."""


class Decoder(nn.Module):
    """From latent vectors, N(0, 1) a priori, and classes to images in [0, 1]; smooth everywhere."""

    def __init__(self, shape: tuple[int, int, int], classes: int, latent: int) -> None:
        super().__init__()
        depth, height, width = shape
        self.classes, self.latent = classes, latent
        self.sizes = tuple((-(-height // step), -(-width // step)) for step in (4, 2, 1))
        rows, columns = self.sizes[0]
        self.spread = nn.Sequential(nn.Linear(latent + classes, 2 * WIDTH * rows * columns), nn.SiLU())
        self.wide = nn.Sequential(nn.Conv2d(2 * WIDTH, WIDTH, 3, padding=1), nn.SiLU())
        self.fine = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.SiLU())
        self.pixels = nn.Conv2d(WIDTH, depth, 3, padding=1)

    def forward(
        self, latents: Float[Tensor, "batch latent"], labels: Int[Tensor, "batch *classes"]
    ) -> Float[Tensor, "batch channels height width"]:
        known = torch.cat([latents, _one_hot(labels, self.classes).to(latents)], 1)
        small = self.spread(known).view(len(latents), 2 * WIDTH, *self.sizes[0])
        medium = F.interpolate(self.wide(small), size=self.sizes[1])
        large = F.interpolate(self.fine(medium), size=self.sizes[2])
        images: Tensor = self.pixels(large).sigmoid()
        return images


class Encoder(nn.Module):
    """From images and classes to the mean and the logarithm of the variance of their latent vectors."""

    def __init__(self, shape: tuple[int, int, int], classes: int, latent: int) -> None:
        super().__init__()
        depth, height, width = shape
        self.classes = classes
        self.looks = nn.Sequential(
            nn.Conv2d(depth, WIDTH, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, 2 * WIDTH, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
        )
        self.codes = nn.Linear(2 * WIDTH * -(-height // 4) * -(-width // 4) + classes, 2 * latent)

    def forward(
        self, images: Float[Tensor, "batch channels height width"], labels: Int[Tensor, "batch *classes"]
    ) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        seen = torch.cat([self.looks(images), _one_hot(labels, self.classes).to(images)], 1)
        mean, log_variance = self.codes(seen).chunk(2, 1)
        return mean, log_variance


@dataclass(frozen=True)
class Autoencoder:
    """The two halves, trained together."""

    encoder: Encoder
    decoder: Decoder

    def to(self, device: str, dtype: torch.dtype) -> "Autoencoder":
        """The same networks elsewhere or in another precision."""
        return Autoencoder(self.encoder.to(device, dtype), self.decoder.to(device, dtype))


def learn_autoencoder(task: Task, public: Batch, latent: int, steps: int, rng: Generator) -> Autoencoder:
    """Trains on public images by the evidence lower bound with Gaussian pixels; both halves come back frozen.

    Sources: https://arxiv.org/abs/1312.6114, https://arxiv.org/abs/1406.5298 (with classes)
    """
    shape = require_images(task.space, "the autoencoder").shape
    with seeded("autoencoder", int(torch.randint(2**62, (), generator=rng))):
        encoder = Encoder(shape, task.classes, latent)
        decoder = Decoder(shape, task.classes, latent)

    def negative_bound() -> Tensor:
        batch = public[torch.randint(len(public), (min(GROUP, len(public)),), generator=rng)]
        return _negative_bound(encoder, decoder, batch, rng)

    for step in fit(nn.ModuleList([encoder, decoder]), negative_bound, adam(RATE), steps):
        report(step, steps)
    return Autoencoder(encoder.requires_grad_(False), decoder.requires_grad_(False))


def _negative_bound(encoder: Encoder, decoder: Decoder, batch: Batch, rng: Generator) -> Float[Tensor, ""]:
    mean, log_variance = encoder(batch.inputs, batch.labels)
    latents = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=rng)
    squares = (decoder(latents, batch.labels) - batch.inputs).square().flatten(1).sum(1)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)
    bound: Tensor = (squares / (2 * PIXEL_NOISE**2) + divergence).mean()
    return bound


def _one_hot(labels: Int[Tensor, "batch *classes"], classes: int) -> Tensor:
    # Not F.one_hot: `vmap` cannot see through it.
    return labels if labels.dim() == 2 else labels[:, None] == torch.arange(classes, device=labels.device)
