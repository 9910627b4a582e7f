"""A user's own data: what a function or a data set beside the experiment gives."""

import json
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from fedleak.contracts.data import OWN
from fedleak.contracts.imports import imported
from fedleak.data.image_folder import in_color
from fedleak.data.loader import Loader, labels_in_sets, loaders
from fedleak.errors import DataError, first_line
from fedleak.learning.batch import Batch
from fedleak.learning.source import Shape, Source

PLACE = "task.data"


@loaders.register(OWN)
@dataclass(frozen=True, kw_only=True)
class Own(Loader):
    """What `MODULE:NAME` gives: inputs and labels as two arrays, or a `torch.utils.data.Dataset` of such pairs.

    A class or function is called, with `data_options`. Inputs are floats in [0, 1] in the shape that the task says, or
    Pillow images, which are fitted into it.
    """

    paper: ClassVar = "https://arxiv.org/abs/1912.01703"
    cites: ClassVar = "paszke2019pytorch"

    def read(self, source: Source) -> Batch:
        found = imported(source.reference, None if source.path is None else str(source.path), PLACE)
        options = json.loads(source.options)
        made = _called(found, options, source) if options or callable(found) else found
        if isinstance(made, Batch):
            return made
        if isinstance(made, tuple | list) and len(made) == 2:
            return Batch(_inputs(made[0], source), _labels(made[1], source))
        if isinstance(made, Sized) and hasattr(made, "__getitem__"):
            return batch_of_items(made, source)
        raise DataError(
            f"{PLACE}: expected {source.reference} to give inputs and labels, or a data set with a length and items, "
            f"got {type(made).__name__}"
        )


def _called(found: Any, options: dict[str, Any], source: Source) -> Any:
    try:
        return found(**options)
    except Exception as error:  # it is other people's code, and raises whatever it likes
        raise DataError(f"{PLACE}: {source.reference} raises {type(error).__name__}: {first_line(error)}") from error


def _inputs(values: Any, source: Source) -> Tensor:
    inputs = _tensor(values, source, "inputs")
    if not inputs.is_floating_point():
        raise DataError(
            f"{PLACE}: expected the inputs of {source.reference} as floats in [0, 1], got {inputs.dtype}; divide them "
            "by their largest value"
        )
    return inputs.float()


def _labels(values: Any, source: Source) -> Tensor:
    labels = _tensor(values, source, "labels")
    if source.several_labels:
        return labels_in_sets(labels, source.classes, f"{PLACE}: {source.reference}")
    if labels.is_floating_point() or labels.dim() != 1:
        raise DataError(
            f"{PLACE}: expected the labels of {source.reference} as a class index for each example, got {labels.dtype} "
            f"of shape {tuple(labels.shape)}; where they are rows of zeros and ones say task.several_labels = true"
        )
    return labels.long()


def _tensor(values: Any, source: Source, what: str) -> Tensor:
    try:
        return values.detach().cpu() if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{PLACE}: expected the {what} of {source.reference} as an array, got {type(values).__name__} "
            f"({first_line(error)})"
        ) from error


# Items of a data set, one after the other.


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
    return Batch(torch.stack(inputs), torch.stack(labels))


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


def _label(value: Any, source: Source, place: int) -> Tensor:
    if source.several_labels:
        row = torch.as_tensor(np.asarray(value))[None]
        return labels_in_sets(row, source.classes, f"{source.name}, item {place}")[0]
    number = value.item() if isinstance(value, Tensor | np.generic) and value.ndim == 0 else value
    if not isinstance(number, int) or isinstance(number, bool):
        raise DataError(f"{source.name}: expected a class index as label, got {type(value).__name__} in item {place}")
    return torch.tensor(number)
