"""What separates images that were mixed linearly: their edges, in brightness and in colour."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Contrast = Callable[[Float[Tensor, "rows features"]], Float[Tensor, "rows samples"]]
"""A linear map of each row, after which different sources are sparse and nearly independent."""
LEAST = 3
"""Rows and columns that must be left of feature maps without their rim."""
SAME = 1e-6
"""Relative difference up to which two features of a flat image are the same."""


def edges(shape: tuple[int, ...], rim: int = 0) -> Contrast:
    """Differences of neighbouring pixels of images (channels, height, width), in brightness and in two colour axes.

    Of feature maps, in each channel, without a rim so wide.

    Mixing commutes with any linear map along the pixels. Pixels of two photographs are alike (both have a sky); their
    edges are not, and they are few and sharp. A log cosh of edges is a smooth total variation. Red, green and blue
    rise and fall together; apart from brightness, colour is a second and third look at the same image, and each look
    is scaled to the same energy. Without neighbours (a side of 1) only the mean of each row is taken off.
    """

    def contrast(rows: Float[Tensor, "rows features"]) -> Float[Tensor, "rows samples"]:
        images = rows.reshape(len(rows), *shape)[..., rim : shape[1] - rim, rim : shape[2] - rim]
        steps = [images[..., 1:, :] - images[..., :-1, :], images[..., :, 1:] - images[..., :, :-1]]
        looks = [look.flatten(1) for step in steps for look in _colours(step) if look.numel()]
        looks = [look / look.square().mean().sqrt() for look in looks if look.any()]
        return torch.cat(looks, 1) if looks else centred(rows)

    return contrast


def padded_rim(flat: Float[Tensor, "channels height width"]) -> int:
    """How wide the rim of feature maps is that sees the padding around the image, told by those of a flat image.

    All images have that padding in common, and the edges it makes are the strongest of all: what is to be told apart
    would be alike. 0 where the maps of a flat image are not flat inside either (a position embedding, say).
    """
    _, height, width = flat.shape
    scale = float(flat.abs().max())
    for rim in range((min(height, width) - LEAST) // 2 + 1):
        inner = flat[:, rim : height - rim, rim : width - rim]
        if float((inner - inner[:, :1, :1]).abs().max()) <= SAME * scale:
            return rim
    return 0


def centred(rows: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
    """Each row without its mean, for features that have no neighbours."""
    return rows - rows.mean(1, keepdim=True)


def _colours(images: Float[Tensor, "rows channels height width"]) -> list[Tensor]:
    """Brightness, red against green, blue against yellow; of other images than colour ones each channel."""
    if images.shape[1] != 3:
        return list(images.unbind(1))
    red, green, blue = images.unbind(1)
    return [images.mean(1), red - green, blue - (red + green) / 2]
