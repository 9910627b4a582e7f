"""Items of a data set, one after the other: Pillow images are fitted, tensors taken as they are."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from fedleak.data.image_folder import in_color
from fedleak.errors import DataError, first_line
from fedleak.learning.batch import Batch
from fedleak.learning.source import Shape, Source


def batch_of_items(items: Any, source: Source) -> Batch:
    """All items `(input, label)` of a map-style data set; raises `DataError` for one that is none."""
    inputs, labels = [], []
    for place, item in enumerate(_each(items, source)):
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise DataError(f"{source.name}: expected items (input, label), got {type(item).__name__} at {place}")
        inputs.append(_input(item[0], source, place))
        labels.append(_label(item[1], source, place))
    if not inputs:
        raise DataError(f"{source.name}: expected examples, got an empty data set")
    return Batch(torch.stack(inputs), torch.tensor(labels))


def fitted(image: Image.Image, shape: Shape) -> Tensor:
    """An image in [0, 1]: its shorter side scaled to fit, its middle cropped, in color or in gray as the shape is."""
    upright = in_color(image)
    size = (shape[2], shape[1])
    if upright.size != size:
        upright = ImageOps.fit(upright, size, Image.Resampling.LANCZOS)
    pixels = np.array(upright if shape[0] == 3 else upright.convert("L"), dtype=np.float32) / 255
    return torch.from_numpy(pixels.transpose(2, 0, 1) if shape[0] == 3 else pixels[None])


def _each(items: Any, source: Source) -> Iterator[Any]:
    for place in range(len(items)):
        try:
            yield items[place]
        except Exception as error:  # it is other people's code, and raises whatever it likes
            raise DataError(
                f"{source.name}: item {place} cannot be read: {type(error).__name__}: {first_line(error)}"
            ) from error


def _input(value: Any, source: Source, place: int) -> Tensor:
    if isinstance(value, Image.Image):
        try:
            return fitted(value, source.shape)
        except ValueError as error:
            raise DataError(f"{source.name}: item {place} cannot be read ({first_line(error)})") from error
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    if tensor.shape != source.shape or not tensor.is_floating_point():
        raise DataError(
            f"{source.name}: expected inputs of shape {source.shape} as floats in [0, 1], got {tensor.dtype} of shape "
            f"{tuple(tensor.shape)} in item {place}; say the right shape beside the data, or convert them"
        )
    return tensor.float()


def _label(value: Any, source: Source, place: int) -> int:
    number = value.item() if isinstance(value, Tensor | np.generic) and value.ndim == 0 else value
    if not isinstance(number, int) or isinstance(number, bool):
        raise DataError(f"{source.name}: expected a class index as label, got {type(value).__name__} in item {place}")
    return number
