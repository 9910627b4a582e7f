"""What separates images that were mixed linearly: their edges, in brightness and in colour."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Contrast = Callable[[Float[Tensor, "rows features"]], Float[Tensor, "rows samples"]]
"""A linear map of each row, after which different sources are sparse and nearly independent."""


def edges(shape: tuple[int, ...]) -> Contrast:
    """Differences of neighbouring pixels of images (channels, height, width), in brightness and in two colour axes.

    Mixing commutes with any linear map along the pixels. Pixels of two photographs are alike (both have a sky); their
    edges are not, and they are few and sharp. A log cosh of edges is a smooth total variation. Red, green and blue
    rise and fall together; apart from brightness, colour is a second and third look at the same image, and each look
    is scaled to the same energy. Without neighbours (a side of 1) only the mean of each row is taken off.
    """

    def contrast(rows: Float[Tensor, "rows features"]) -> Float[Tensor, "rows samples"]:
        images = rows.reshape(len(rows), *shape)
        steps = [images[..., 1:, :] - images[..., :-1, :], images[..., :, 1:] - images[..., :, :-1]]
        looks = [look.flatten(1) for step in steps for look in _colours(step) if look.numel()]
        looks = [look / look.square().mean().sqrt() for look in looks if look.any()]
        return torch.cat(looks, 1) if looks else centred(rows)

    return contrast


def centred(rows: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
    """Each row without its mean, for features that have no neighbours."""
    return rows - rows.mean(1, keepdim=True)


def _colours(images: Float[Tensor, "rows channels height width"]) -> list[Tensor]:
    """Brightness, red against green, blue against yellow; other images than colour ones are one look."""
    if images.shape[1] != 3:
        return [images]
    red, green, blue = images.unbind(1)
    return [images.mean(1), red - green, blue - (red + green) / 2]
