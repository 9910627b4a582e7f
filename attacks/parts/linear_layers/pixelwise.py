"""Pixelwise front: what stands between the image and a layer, where it only scales and shifts or moves each pixel."""

from contextlib import suppress
from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Float64, Int64
from torch import Generator, Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.randomness import seeded

from .first_layer import EXACT, PROBES, FirstLayer, Front


@dataclass(frozen=True, kw_only=True)
class Pixelwise:
    """`scale x + shift` of each pixel x, as normalization makes it: a layer behind it is one on the image itself."""

    scale: Float64[Tensor, " pixels"]
    shift: Float64[Tensor, " pixels"]

    @classmethod
    def none(cls, values: int) -> "Pixelwise":
        """No front: what the layer sees is what is asked for."""
        ones = torch.ones(values, dtype=torch.float64)
        return cls(scale=ones, shift=0.0 * ones)

    def gradient(
        self, weight: Float64[Tensor, "outputs pixels"], bias: Float64[Tensor, " outputs"]
    ) -> Float64[Tensor, "outputs pixels"]:
        """What the weight's gradient would be if the layer saw the image: `Σ_j d_j x_jᵀ`, with `Σ_j d_j` the bias's."""
        return (weight - bias[:, None] * self.shift) / self.scale

    def features(self, images: Float64[Tensor, "batch pixels"]) -> Float64[Tensor, "batch pixels"]:
        """What the layer behind it sees of images."""
        return images * self.scale + self.shift

    def images(self, features: Float64[Tensor, "batch pixels"]) -> Float64[Tensor, "batch pixels"]:
        """The images that the layer sees so."""
        return (features - self.shift) / self.scale


def pixelwise(observation: Observation, layer: FirstLayer) -> Pixelwise:
    """The front of a layer, tried on black, white and random images; raises `NotApplicable` where it is another."""
    front, shape = Front(observation, layer), observation.task.shape
    with seeded("pixelwise"):
        random = observation.task.space.at(torch.rand(PROBES, *shape, dtype=front.dtype))
    # At 0 and 1 whatever the range: what is tried is a line through them.
    images = torch.cat([torch.zeros(1, *shape, dtype=front.dtype), torch.ones(1, *shape, dtype=front.dtype), random])
    try:
        features = torch.cat([_entering(front, image).detach().flatten(1) for image in torch.split(images, 1)])
    except (ValueError, RuntimeError) as error:
        raise NotApplicable(
            f"the network does not run on one image in {front.mode} mode and double precision"
        ) from error
    if features.shape[1] != prod(shape):
        raise _other(observation, layer)
    shift, scale = features[0], features[1] - features[0]
    rest = features - (images.flatten(1) * scale + shift)
    if not (scale.abs() > EXACT).all() or not float(rest.abs().max()) <= EXACT * float(features.abs().max()):
        raise _other(observation, layer)
    return Pixelwise(scale=scale, shift=shift)


class _Reached(Exception):  # noqa: N818  no error: the rest of the network has no say, and may not take one image
    """The layer was reached."""


def _entering(front: Front, image: Tensor) -> Tensor:
    """What goes into the layer."""
    seen: list[Tensor] = []

    def stop(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append(arguments[0])
        raise _Reached

    handle = front.module.register_forward_pre_hook(stop)
    try:
        with seeded("front"), suppress(_Reached):
            front.task.logits(front.weights, image, mode=front.mode)
    finally:
        handle.remove()
    return seen[0]


def _other(observation: Observation, layer: FirstLayer) -> NotApplicable:
    return NotApplicable(
        f"what '{layer.weight}' of '{observation.task.name}' sees is not the image, each pixel scaled and shifted at "
        "most, so its input is not the image: try gradient matching"
    )


def copied_pixels(front: Front, rng: Generator) -> Int64[Tensor, " pixels"]:
    """For each pixel the feature that is its copy, whichever values pixels have; raises `NotApplicable` without one.

    Told by two random images: no two pixels have the same two values there.
    """
    task = front.task
    images = task.space.uniform(2, rng, front.dtype)
    pixels, features = images.flatten(1), front(images).flatten(1)
    order = features[0].argsort()
    places = torch.searchsorted(features[0][order].contiguous(), pixels[0].contiguous()).clamp(max=len(order) - 1)
    copies: Int64[Tensor, " pixels"] = order[places]
    if not torch.equal(features[:, copies], pixels):
        raise NotApplicable(
            f"the linear layer '{front.layer.weight}' of '{task.name}' does not see the values of an example as they "
            "are, so what it collects is another thing"
        )
    return copies
