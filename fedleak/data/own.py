"""A user's own data: what a function or a data set beside the experiment gives."""

import json
from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedleak.contracts.data import OWN
from fedleak.contracts.imports import imported
from fedleak.data.items import batch_of_items
from fedleak.data.loader import Loader, loaders
from fedleak.errors import DataError, first_line
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source

PLACE = "task.data"


@loaders.register(OWN)
@dataclass(frozen=True, kw_only=True)
class Own(Loader):
    """What `MODULE:NAME` gives: inputs and labels as two arrays, or a `torch.utils.data.Dataset` of such pairs.

    A class or function is called, with `data_options`. Inputs are floats in [0, 1] in the shape that the task says, or
    Pillow images, which are fitted into it.
    """

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
    if labels.is_floating_point() or labels.dim() != 1:
        raise DataError(
            f"{PLACE}: expected the labels of {source.reference} as a class index for each example, got {labels.dtype} "
            f"of shape {tuple(labels.shape)}"
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
