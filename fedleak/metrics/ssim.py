"""SSIM: structural similarity."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import ExampleMetric, metrics
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_images

SIGMA = 1.5
RADIUS = 5
LUMINANCE = 0.01**2
CONTRAST = 0.03**2
"""The constants of the paper, for intensities that range from 0 to 1."""


@metrics.register("ssim")
@dataclass(frozen=True, kw_only=True)
class SSIM(ExampleMetric):
    """Mean structural similarity under a Gaussian window of 11x11, over all pixels and channels; 1 is perfect.

    The images are mirrored at their borders, so that images smaller than the window can be judged; below 6x6 there is
    too little to mirror. The guess is clamped to [0, 1] first.
    """

    paper: ClassVar = "https://doi.org/10.1109/TIP.2003.819861"
    cites: ClassVar = "wang2004image"
    unit: ClassVar = "similarity"
    higher_is_better: ClassVar = True
    compares: ClassVar = "inputs"
    bounds: ClassVar = (-1.0, 1.0)
    threshold: ClassVar = 0.5
    """Half of the structure is there."""
    margin: ClassVar = 0.1

    def inapplicable(self, truth: Batch) -> str | None:
        try:
            images = require_images(truth.space, "SSIM")
        except NotApplicable as refusal:
            return str(refusal)
        if min(images.height, images.width) > RADIUS:
            return None
        return f"SSIM needs images of {RADIUS + 1}x{RADIUS + 1} or more, these are {images.height}x{images.width}"

    def per_sample(self, guess: Batch, truth: Batch) -> list[float]:
        return (
            similarity(truth.space.clamped(guess.inputs.double()), truth.inputs.double()).mean(dim=(1, 2, 3)).tolist()
        )


def similarity(
    x: Float[Tensor, "batch channels height width"], y: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, "batch channels height width"]:
    """The similarity of two images around each pixel, equation 13 of the paper."""
    mean_x, mean_y = local_mean(x), local_mean(y)
    variances = local_mean(x * x) - mean_x**2 + local_mean(y * y) - mean_y**2
    covariance = local_mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + LUMINANCE) / (mean_x**2 + mean_y**2 + LUMINANCE)
    return luminance * (2 * covariance + CONTRAST) / (variances + CONTRAST)


def local_mean(
    images: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels height width"]:
    """The mean around each pixel, weighted by the Gaussian window."""
    height, width = images.shape[2:]
    return _blur(height, images).mT @ images @ _blur(width, images)


def _blur(side: int, like: Tensor) -> Float[Tensor, "side side"]:
    """What each pixel of a line gives to each mean; as a product of matrices much faster than as a convolution."""
    distance = torch.arange(-RADIUS, RADIUS + 1, dtype=like.dtype, device=like.device)
    window = torch.softmax(-(distance**2) / (2 * SIGMA**2), dim=0)
    line = torch.eye(side, dtype=like.dtype, device=like.device)
    return F.pad(line, [RADIUS] * 2, mode="reflect").unfold(1, len(window), 1) @ window
