"""Denoisers: what makes images more like images in general, by filters or by what public ones vary in."""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fedleak.learning.batch import Batch

from ..generators.linear import fit_principal_components

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


def component_denoiser(public: Batch | None, components: int) -> Denoiser:
    """The projection on the first principal components of public examples: the best linear autoencoder of them.

    Raises `NotApplicable` where there are too few of them.
    """
    space = fit_principal_components(public, components)
    return lambda images: space.decode((images.flatten(1) - space.mean) @ space.patterns.T)


def _edged(images: Tensor) -> Tensor:
    return F.pad(images, (1, 1, 1, 1), mode="replicate")
