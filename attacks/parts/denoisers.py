"""Denoisers: what makes images more like images in general, by filters or by what public ones vary in."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fedleak.learning.batch import Batch

Denoiser = Callable[[Float[Tensor, "batch *shape"]], Float[Tensor, "batch *shape"]]
WINDOW = 3
SHARPNESS = 0.5
"""How much of what a blur takes off is added again."""


def unchanged(images: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
    """No denoising."""
    return images


def filtered(images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
    """The median of each pixel and its eight neighbors, then an unsharp mask."""
    count, channels = images.shape[:2]
    windows = F.unfold(_edged(images), WINDOW).view(count, channels, WINDOW**2, -1)
    medians = windows.median(2).values.view(images.shape)
    blurred = F.avg_pool2d(_edged(medians), WINDOW, stride=1)
    sharpened: Tensor = medians + SHARPNESS * (medians - blurred)
    return sharpened


def component_denoiser(public: Batch, components: int) -> Denoiser:
    """The projection on the first principal components of public examples: the best linear autoencoder of them."""
    rows = public.inputs.flatten(1)
    mean: Tensor = rows.mean(0)
    axes: Tensor = torch.linalg.svd(rows - mean, full_matrices=False).Vh[:components]

    def projected(images: Tensor) -> Tensor:
        kept: Tensor = (mean + (images.flatten(1) - mean) @ axes.T @ axes).view(images.shape)
        return kept

    return projected


def _edged(images: Tensor) -> Tensor:
    return F.pad(images, (1, 1, 1, 1), mode="replicate")
