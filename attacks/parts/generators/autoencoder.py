"""Autoencoder as a generator: the decoder of a variational autoencoder of public images, whatever their class."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.learning.batch import Batch
from fedleak.learning.task import Task

from ..learning.autoencoder import Decoder, learn_autoencoder
from .latent_space import LatentSpace, enough


@dataclass(frozen=True)
class DecodedSpace(LatentSpace):
    """What a network decodes; it was made for classes, and is told the same one for every image."""

    network: Decoder

    def decode(self, latents: Float[Tensor, "batch dimensions"]) -> Float[Tensor, "batch *shape"]:
        images: Tensor = self.network(latents.float(), _one_class(len(latents)))
        return images


def fit_autoencoder(task: Task, public: Batch | None, dimensions: int, steps: int, rng: Generator) -> DecodedSpace:
    """Trains on public images by the evidence lower bound. Classes are not told apart: those that are searched for may
    have no public image. Needs images, else raises `NotApplicable`.

    Source: https://arxiv.org/abs/1312.6114
    """
    public = enough(public)
    unlabeled = replace(public, labels=_one_class(len(public)))
    trained = learn_autoencoder(task, unlabeled, dimensions, steps, rng)
    with torch.no_grad():
        codes, _ = trained.encoder(unlabeled.inputs, unlabeled.labels)
    return DecodedSpace(codes.std(0).clamp_min(1e-3), trained.decoder)


def _one_class(count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.int64)
