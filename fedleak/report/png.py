"""Small pictures as PNG inside the page."""

import base64
import io

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

LARGEST = 96
"""Pixels of a picture's longer side; larger ones are scaled down."""


def data_uri(image: Float[Tensor, "channels height width"]) -> str:
    """The image, values in [0, 1], as a `data:` address."""
    pixels = _fitted(image.detach().float().clamp(0, 1))
    values = (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def difference(
    guess: Float[Tensor, "channels height width"], truth: Float[Tensor, "channels height width"]
) -> Float[Tensor, "channels height width"]:
    """Guess minus truth about a middle gray: gray where they agree, brighter where the guess is too bright."""
    return 0.5 + (guess.detach().clamp(0, 1) - truth) / 2


def _fitted(image: Float[Tensor, "channels height width"]) -> Float[Tensor, "channels height_ width_"]:
    longest = max(image.shape[1:])
    if longest <= LARGEST:
        return image
    size = [max(1, side * LARGEST // longest) for side in image.shape[1:]]
    return F.interpolate(image[None], size=size, mode="area")[0]
