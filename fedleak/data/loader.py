"""Data loaders: their contract, and the registry that finds them by source name."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from fedleak.contracts.plugin import Plugin, Registry
from fedleak.errors import DataError
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source


class Loader(Plugin, ABC):
    """Reads the examples of a source; registered under the source's name.

    A data set from outside is a module in the entry-point group `fedleak.plugins` that calls
    `fedleak.tasks.register_source(Source(name, ...))` and decorates its loader with `@loaders.register(name)`.
    """

    @abstractmethod
    def read(self, source: Source) -> Batch:
        """All examples, in an order that never changes; raises `DataError` where they are missing or unreadable."""

    def parts(self, source: Source) -> Int[Tensor, " examples"] | None:  # noqa: ARG002
        """The `Part` of each example of `read`, for data whose examples are not independent of one another.

        Pieces of one photograph, pictures of one person or records of one patient belong in one part. Without an
        answer chance decides, the same in every run.
        """
        return None


loaders: Registry[Loader] = Registry("data set", "fedleak.data")


def labels_in_sets(given: Tensor, classes: int, what: str) -> Int[Tensor, "examples classes"]:
    """Rows of zeros and ones as integers; raises `DataError` for anything else."""
    if given.dim() != 2 or given.shape[1] != classes or not ((given == 0) | (given == 1)).all():
        raise DataError(
            f"{what}: expected labels as a row of {classes} zeros and ones for each example, as task.several_labels "
            f"says, got {given.dtype} of shape {tuple(given.shape)}"
            + (" with other values" if given.dim() == 2 and given.shape[1] == classes else "")
        )
    return given.long()


def batch_of(images: NDArray[np.generic], labels: NDArray[np.generic], white: float) -> Batch:
    """Arrays (examples, channels, height, width) in [0, `white`] and class indices as float32 in [0, 1] and int64."""
    inputs = np.ascontiguousarray(images, dtype=np.float32) / np.float32(white)
    return Batch(torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64)))
