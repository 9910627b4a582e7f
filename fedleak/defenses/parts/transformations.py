"""The transformations of images that augmentation as a defense chooses from (https://arxiv.org/abs/2011.12505)."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from math import atan, degrees
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

Images = Float[Tensor, "batch channels height width"]
SEARCHED = (
    "invert-7", "contrast-6", "rotate-2", "translate_x-9", "sharpness-1", "sharpness-3", "shear_y-2", "translate_y-2",
    "autocontrast-5", "equalize-2", "shear_y-5", "posterize-5", "color-3", "brightness-5", "sharpness-9",
    "brightness-9", "equalize-5", "equalize-1", "contrast-7", "sharpness-5", "color-5", "translate_x-5", "equalize-7",
    "autocontrast-8", "translate_y-3", "sharpness-6", "brightness-6", "color-8", "solarize-0", "invert-0",
    "equalize-0", "autocontrast-0", "equalize-8", "equalize-4", "color-5", "equalize-5", "autocontrast-4",
    "solarize-4", "brightness-3", "color-0", "solarize-1", "autocontrast-0", "translate_y-3", "translate_y-3",
    "autocontrast-1", "solarize-1", "equalize-5", "invert-0", "translate_y-3", "autocontrast-1",
)  # fmt: skip
"""Those that the paper searches, in its order, each with its level from 0 to 9."""
MOVES = ("rotate", "shear_y", "translate_x", "translate_y")
"""Those that move pixels, and some of them out of the picture."""


@cache
def _torchvision() -> Any:
    """Its transformations."""
    # Imported here: torchvision takes seconds to import, and every command reads the catalog of defenses.
    from torchvision.transforms.v2 import functional

    return functional


ENHANCED: dict[str, Callable[[Images, float], Images]] = {
    "color": lambda images, strength: _torchvision().adjust_saturation(images, strength),
    "contrast": lambda images, strength: _torchvision().adjust_contrast(images, strength),
    "sharpness": lambda images, strength: _sharpened(images, strength),
    "brightness": lambda images, strength: _torchvision().adjust_brightness(images, strength),
}
UNSIGNED: dict[str, Callable[[Images, int], Images]] = {
    "rotate": lambda images, level: _moved(images, turn=30 * level / 9),
    "posterize": lambda images, level: _sloping(images, _torchvision().posterize(images, round(8 - 4 * level / 9))),
    "solarize": lambda images, level: _torchvision().solarize(images, min(1.0, 256 / 255 * (1 - level / 9))),
    "autocontrast": lambda images, level: _stretched(images),  # noqa: ARG005
    "equalize": lambda images, level: _sloping(images, _torchvision().equalize(images)),  # noqa: ARG005
    "invert": lambda images, level: _torchvision().invert(images),  # noqa: ARG005
}


def ways_of(step: str) -> tuple[int, ...]:
    """Both signs, where a transformation such as `contrast-6` goes either way."""
    return (1,) if step.partition("-")[0] in UNSIGNED else (1, -1)


def transformed(images: Images, steps: Iterable[str], ways: Iterable[int]) -> Images:
    """Images in [0, 1] after steps such as `contrast-6`, each in its way; differentiable, and still in [0, 1]."""
    for step, way in zip(steps, ways, strict=True):
        kind, _, level = step.partition("-")
        images = _step(images, kind, int(level), way)
    return images


def within(images: Images, steps: Sequence[str], ways: Sequence[int]) -> Bool[Tensor, "batch channels height width"]:
    """Which pixels the steps leave in the picture: those that count half or more there once they are moved."""
    moves = [(step, way) for step, way in zip(steps, ways, strict=True) if step.partition("-")[0] in MOVES]
    gray = torch.full_like(images, 0.5).requires_grad_()
    moved = transformed(gray, *zip(*moves, strict=True)) if moves else gray
    (weights,) = torch.autograd.grad(moved.sum(), gray)
    return weights > 0.5


def undone(images: Images, steps: Sequence[str], ways: Sequence[int]) -> Images:
    """About the images that the steps lead to these from: what can be turned back is, the rest stays as it is.

    What was moved out of the picture is black, and what was clipped stays clipped: a place to start fitting from.
    """
    for step, way in reversed(list(zip(steps, ways, strict=True))):
        kind, _, level = step.partition("-")
        images = _step_back(images, kind, int(level), way)
    return images


def _step_back(images: Images, kind: str, level: int, way: int) -> Images:
    if kind == "rotate":
        return _moved(images, turn=-30 * level / 9)
    if kind in ENHANCED:
        return ENHANCED[kind](images, 1 / _strength(level, way))
    if kind in UNSIGNED:
        return _torchvision().invert(images) if kind == "invert" else images
    return _step(images, kind, level, -way)


def _strength(level: int, way: int) -> float:
    return 1 + way * 0.5 * level / 9


def _step(images: Images, kind: str, level: int, way: int) -> Images:
    if kind in UNSIGNED:
        return UNSIGNED[kind](images, level)
    if kind in ENHANCED:
        return ENHANCED[kind](images, _strength(level, way))
    if kind == "shear_y":
        return _moved(images, lean=way * 0.3 * level / 9)
    height, width = images.shape[-2:]
    share = way * 150 / 331 * level / 9
    if kind == "translate_x":
        return _moved(images, across=round(width * share))
    return _moved(images, down=round(height * share))


def _sloping(images: Images, changed: Images) -> Images:
    """What has no slope, with slope 1."""
    return images + (changed - images).detach()


def _sharpened(images: Images, strength: float) -> Images:
    """As torchvision's, which changes what it has to remember for a derivative: within the border, away from a blur."""
    kernel = torch.ones(images.shape[1], 1, 3, 3).to(images) / 13
    kernel[..., 1, 1] = 5 / 13
    blurred = F.conv2d(images, kernel, groups=images.shape[1]) - images[..., 1:-1, 1:-1]
    return (images + (1 - strength) * F.pad(blurred, [1] * 4)).clamp(0, 1)


def _stretched(images: Images) -> Images:
    """As torchvision's: the darkest value of each channel becomes black, the brightest white, unless they are equal."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp_min(1e-12), images).clamp(0, 1)


def _moved(images: Images, across: int = 0, down: int = 0, lean: float = 0.0, turn: float = 0.0) -> Images:
    """Moved by whole pixels, sheared along the vertical, turned by degrees; black where there was nothing."""
    transforms = _torchvision()
    moved: Images = transforms.affine(
        images,
        angle=turn,
        translate=[across, down],
        scale=1.0,
        shear=[0.0, degrees(atan(lean))],
        interpolation=transforms.InterpolationMode.BILINEAR,
    )
    return moved.clamp(0, 1)
