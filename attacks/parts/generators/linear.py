"""Linear spaces: images as a mean plus a weighted sum of patterns, of principal components or of cosines."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from fedleak.learning.batch import Batch
from fedleak.learning.space import Images, InputSpace, require_images

from .latent_space import LatentSpace, enough


@dataclass(frozen=True)
class LinearSpace(LatentSpace):
    """A mean and orthonormal patterns; what is decoded is clamped to the range of the examples."""

    mean: Float[Tensor, " values"]
    patterns: Float[Tensor, "dimensions values"]
    examples: InputSpace

    def decode(self, latents: Float[Tensor, "batch dimensions"]) -> Float[Tensor, "batch *shape"]:
        values = self.mean + latents.to(self.mean) @ self.patterns
        return self.examples.clamped(values.view(len(latents), *self.examples.shape))

    def encode(self, examples: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch dimensions"]:
        """The latents whose image is nearest to each example; differentiable."""
        return (examples.flatten(1) - self.mean) @ self.patterns.T


def fit_principal_components(public: Batch | None, dimensions: int, variance: float = 1.0) -> LinearSpace:
    """The directions in which public examples differ most: as many as hold a share of their variance, up to a number.

    Source: Pearson 1901, https://doi.org/10.1080/14786440109462720
    """
    public = enough(public)
    values = public.inputs.flatten(1).double()
    mean = values.mean(0)
    _, lengths, directions = torch.linalg.svd(values - mean, full_matrices=False)
    spread = lengths / math.sqrt(len(values) - 1)
    held = spread.square().cumsum(0) / spread.square().sum().clamp_min(1e-300)
    kept = min(dimensions, int((held < variance - 1e-9).sum()) + 1)
    return LinearSpace(spread[:kept].clamp_min(1e-6).float(), mean.float(), directions[:kept].float(), public.space)


def fit_cosines(public: Batch | None, space: InputSpace, dimensions: int) -> LinearSpace:
    """The lowest frequencies of a discrete cosine transform, each color by itself; spread as public images are.

    The one space that needs no public images: without them the mean is gray, and a frequency's amplitude falls with it,
    as it does in natural images. Sources: https://doi.org/10.1109/T-C.1974.223784 (the transform), Field 1987,
    https://doi.org/10.1364/JOSAA.4.002379 (amplitudes)
    """
    images = require_images(space, "a basis of cosines")
    patterns, frequencies = _cosines(images)
    patterns, frequencies = patterns[:dimensions], frequencies[:dimensions]
    if public is None or len(public) < 2:
        mean = torch.full((patterns.shape[1],), images.middle)
        side = math.sqrt(images.height * images.width)
        return LinearSpace((side * images.extent / (4 * (1 + frequencies))).float(), mean, patterns.float(), images)
    values = public.inputs.flatten(1).double()
    mean = values.mean(0)
    spread = ((values - mean) @ patterns.T).std(0)
    return LinearSpace(spread.clamp_min(1e-6).float(), mean.float(), patterns.float(), images)


def _cosines(images: Images) -> tuple[Float64[Tensor, "values values"], Float64[Tensor, " values"]]:
    """All patterns of a size by rising frequency, in half waves a side, and those."""
    rows, columns, colors = _waves(images.height), _waves(images.width), torch.eye(images.channels).double()
    patterns = torch.einsum("ab,ij,kl->ikabjl", colors, rows, columns).reshape(-1, math.prod(images.shape))
    vertical, horizontal = torch.arange(images.height)[:, None], torch.arange(images.width)[None]
    frequencies = (vertical**2 + horizontal**2).double().sqrt().flatten().repeat_interleave(images.channels)
    order = frequencies.argsort(stable=True)
    return patterns[order], frequencies[order]


def _waves(side: int) -> Float64[Tensor, "side side"]:
    """The orthonormal cosines over one side, a row each."""
    places = torch.arange(side).double()
    waves = torch.cos(math.pi * (places + 0.5) * places[:, None] / side)
    orthonormal: Tensor = waves / waves.norm(dim=1, keepdim=True)
    return orthonormal
