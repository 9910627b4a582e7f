"""Independent component analysis: rows that were mixed linearly, told apart by how far from Gaussian they are.

FastICA is written out, though scikit-learn has it: from one start both find the same rotation (the tests hold them to
it), but scikit-learn's takes seconds to import in every process, as long as an attack on a small batch; decision 17.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

SHARP = 3.0
"""Slope of the contrast `log cosh(3 y) / 3`, for rows of variance 1: near the sparse sources that edges are."""


ROUNDS = 300


SETTLED = 1e-7


CURVATURE = 1e-2
"""Least curvature of a Newton step."""


def independent(samples: Float[Tensor, "rows samples"], rng: Generator) -> Float[Tensor, "rows rows"]:
    """An unmixing matrix U, so that the rows of `U @ samples` are the sources, in any order and scale.

    First a fixed point among rotations of the whitened rows (FastICA, symmetric: the sources uncorrelated), then the
    maximum of the likelihood among all matrices, for real sources are a little correlated: minimize
    `Σ log cosh(3 y) / 3 - log |det U|` by Newton steps. Source: https://doi.org/10.1109/72.761722 and
    https://doi.org/10.1109/TSP.2018.2844203.
    """
    whitening = whiten(samples)
    white = whitening @ samples
    return likelier(white, fixed_point(white, rng)) @ whitening


def whiten(samples: Float[Tensor, "rows samples"]) -> Float[Tensor, "rows rows"]:
    """A matrix after which the rows are uncorrelated and of variance 1."""
    values, axes = torch.linalg.eigh(samples @ samples.T / samples.shape[1])
    whitening: Tensor = (axes / values.clamp_min(1e-14 * float(values[-1])).sqrt()).T
    return whitening


def fixed_point(white: Float[Tensor, "rows samples"], rng: Generator) -> Float[Tensor, "rows rows"]:
    """The rotation at which every row is farthest from Gaussian, from a random one."""
    rows, samples = white.shape
    rotation = _nearest_rotation(torch.randn(rows, rows, generator=rng, dtype=white.dtype))
    for _ in range(ROUNDS):
        slope = torch.tanh(SHARP * rotation @ white)
        bend = SHARP * (1 - slope.square()).mean(1, keepdim=True)
        turned = _nearest_rotation(slope @ white.T / samples - bend * rotation)
        moved = float(((turned * rotation).sum(1).abs() - 1).abs().max())
        rotation = turned
        if moved < SETTLED:
            break
    return rotation


def likelier(white: Float[Tensor, "rows samples"], unmixing: Float[Tensor, "rows rows"]) -> Float[Tensor, "rows rows"]:
    """The unmixing matrix of the greatest likelihood near a given one."""
    loss = _loss(white, unmixing)
    for _ in range(ROUNDS):
        step, slope = _newton_step(white, unmixing)
        if float(slope.abs().max()) < SETTLED:
            break
        for halving in range(10):
            tried = unmixing - 0.5**halving * step @ unmixing
            if (loss_there := _loss(white, tried)) < loss:
                break
        else:
            break
        unmixing, loss = tried, loss_there
    return unmixing


def _loss(white: Tensor, unmixing: Tensor) -> float:
    size = SHARP * (unmixing @ white).abs()
    log_cosh = size + torch.log1p(torch.exp(-2 * size))
    return float(2**0.5 * log_cosh.mean(1).sum() / SHARP - torch.linalg.slogdet(unmixing).logabsdet)


def _newton_step(white: Tensor, unmixing: Tensor) -> tuple[Tensor, Tensor]:
    """The step of the relative gradient under the Hessian as it is for independent sources (blocks of two), and that
    gradient; a block whose curvature is too small is lifted."""
    sources = unmixing @ white
    slope = torch.tanh(SHARP * sources)
    gradient = 2**0.5 * slope @ sources.T / sources.shape[1] - torch.eye(len(sources), dtype=sources.dtype)
    bend = 2**0.5 * SHARP * (1 - slope.square()) @ sources.square().T / sources.shape[1]
    least = 0.5 * (bend + bend.T - ((bend - bend.T).square() + 4).sqrt())
    bend = bend + (CURVATURE - least).clamp_min(0.0)
    step = (bend.T * gradient - gradient.T) / (bend * bend.T - 1)
    step.diagonal().copy_(gradient.diagonal() / (bend.diagonal() + 1))
    return step, gradient


def _nearest_rotation(matrix: Tensor) -> Tensor:
    left, _, right = torch.linalg.svd(matrix)
    rotation: Tensor = left @ right
    return rotation


# What separates images that were mixed linearly: their edges, in brightness and in color.

Contrast = Callable[[Float[Tensor, "rows features"]], Float[Tensor, "rows samples"]]
"""A linear map of each row, after which different sources are sparse and nearly independent."""


LEAST = 3
"""Rows and columns that must be left of feature maps without their rim."""


SAME = 1e-6
"""Relative difference up to which two features of a flat image are the same."""


def edges(shape: tuple[int, ...], rim: int = 0) -> Contrast:
    """Differences of neighboring pixels of images (channels, height, width), in brightness and in two color axes.

    Of feature maps, in each channel, without a rim so wide.

    Mixing commutes with any linear map along the pixels. Pixels of two photographs are alike (both have a sky); their
    edges are not, and they are few and sharp. A log cosh of edges is a smooth total variation. Red, green and blue
    rise and fall together; apart from brightness, color is a second and third look at the same image, and each look
    is scaled to the same energy. Without neighbors (a side of 1) only the mean of each row is taken off.
    """

    def contrast(rows: Float[Tensor, "rows features"]) -> Float[Tensor, "rows samples"]:
        images = rows.reshape(len(rows), *shape)[..., rim : shape[1] - rim, rim : shape[2] - rim]
        steps = [images[..., 1:, :] - images[..., :-1, :], images[..., :, 1:] - images[..., :, :-1]]
        looks = [look.flatten(1) for step in steps for look in _colors(step) if look.numel()]
        looks = [look / look.square().mean().sqrt() for look in looks if look.any()]
        return torch.cat(looks, 1) if looks else centered(rows)

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


def centered(rows: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
    """Each row without its mean, for features that have no neighbors."""
    return rows - rows.mean(1, keepdim=True)


def _colors(images: Float[Tensor, "rows channels height width"]) -> list[Tensor]:
    """Brightness, red against green, blue against yellow; of other images than color ones each channel."""
    if images.shape[1] != 3:
        return list(images.unbind(1))
    red, green, blue = images.unbind(1)
    return [images.mean(1), red - green, blue - (red + green) / 2]
