"""CIFAR-10, CIFAR-100 and Fashion-MNIST, from files or the network, read by torchvision.

The files are in the folder that the environment variable FEDLEAK_DATA names, else in ~/.cache/fedleak.
"""

import contextlib
import gzip
import io
import os
import socket
import zlib
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fedleak.data.loader import Loader, batch_of, loaders
from fedleak.errors import DataError, OutputError
from fedleak.io.atomic import write_atomically
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist has its files."""
PATIENCE = 20.0
"""Seconds without an answer after which a download is given up."""

UNREADABLE = (RuntimeError, ValueError, AssertionError)
"""What torchvision raises where files are absent or damaged."""


def root() -> Path:
    """The folder that the files are looked for in and downloaded to."""
    return Path(os.environ.get("FEDLEAK_DATA") or "~/.cache/fedleak").expanduser()


class TorchvisionLoader(Loader):
    """The training images of a torchvision set, then its test images."""

    @abstractmethod
    def part(self, *, train: bool, download: bool) -> Any:
        """Torchvision's data set, from `root()`."""

    @abstractmethod
    def there(self) -> bool:
        """Whether there are files to read, whole or not, without a download."""

    @abstractmethod
    def expected(self) -> str:
        """Where the files should be and how to get them, as the end of a sentence."""

    def read(self, source: Source) -> Batch:
        parts = [self._found(train=train) for train in (True, False)]
        images = np.concatenate([np.asarray(part.data) for part in parts])
        if images.ndim == 4:
            images = images.transpose(0, 3, 1, 2)
        labels = np.concatenate([np.asarray(part.targets) for part in parts])
        return batch_of(images.reshape(-1, *source.shape), labels, white=255.0)

    def _found(self, *, train: bool) -> Any:
        try:
            return self.part(train=train, download=False)
        except UNREADABLE:
            return self._downloaded(train=train)

    def _downloaded(self, *, train: bool) -> Any:
        try:
            with quiet_and_impatient():
                return self.part(train=train, download=True)
        except (OSError, *UNREADABLE) as error:
            raise DataError(f"{self.name}: {self.expected()} (a download failed: {error})") from error


@dataclass(frozen=True, kw_only=True)
class Cifar(TorchvisionLoader):
    """60,000 color images of 32x32."""

    paper: ClassVar = "https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf"
    cites: ClassVar = "krizhevsky2009learning"
    torchvision_name: ClassVar[str]
    folder: ClassVar[str]
    archive: ClassVar[str]

    def part(self, *, train: bool, download: bool) -> Any:
        from torchvision import datasets

        return getattr(datasets, self.torchvision_name)(str(root()), train=train, download=download)

    def there(self) -> bool:
        return (root() / self.folder).is_dir()

    def expected(self) -> str:
        return (
            f"expected whole files in {root() / self.folder}; unpack https://www.cs.toronto.edu/~kriz/{self.archive} "
            f"in {root()}, or set FEDLEAK_DATA to the folder that has it"
        )


@loaders.register("cifar10")
@dataclass(frozen=True, kw_only=True)
class Cifar10(Cifar):
    """60,000 color images of 32x32, 6,000 of each of ten classes."""

    torchvision_name: ClassVar = "CIFAR10"
    folder: ClassVar = "cifar-10-batches-py"
    archive: ClassVar = "cifar-10-python.tar.gz"


@loaders.register("cifar100")
@dataclass(frozen=True, kw_only=True)
class Cifar100(Cifar):
    """60,000 color images of 32x32, 600 of each of a hundred classes."""

    torchvision_name: ClassVar = "CIFAR100"
    folder: ClassVar = "cifar-100-python"
    archive: ClassVar = "cifar-100-python.tar.gz"


@loaders.register("fashion-mnist")
@dataclass(frozen=True, kw_only=True)
class FashionMnist(TorchvisionLoader):
    """70,000 gray images of 28x28, 7,000 of each of ten kinds of clothes."""

    paper: ClassVar = "https://arxiv.org/abs/1708.07747"
    cites: ClassVar = "xiao2017fashion"

    def part(self, *, train: bool, download: bool) -> Any:
        from torchvision.datasets import FashionMNIST

        _unpack(DEBIAN_FASHION_MNIST, root() / "FashionMNIST" / "raw")
        return FashionMNIST(str(root()), train=train, download=download)

    def there(self) -> bool:
        return any(DEBIAN_FASHION_MNIST.glob("*-ubyte.gz")) or any((root() / "FashionMNIST" / "raw").glob("*-ubyte*"))

    def expected(self) -> str:
        return (
            f"expected whole files in {root() / 'FashionMNIST' / 'raw'}; install Debian's package "
            "dataset-fashion-mnist, or set FEDLEAK_DATA to the folder that has FashionMNIST/raw"
        )


def _unpack(packed: Path, raw: Path) -> None:
    """Unpacks the files of Debian's package to where torchvision reads them, unless they are there."""
    for file in sorted(packed.glob("*-ubyte.gz")):
        if (raw / file.stem).is_file():
            continue
        try:
            write_atomically(raw / file.stem, gzip.decompress(file.read_bytes()))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"fashion-mnist: cannot unpack {file} ({error}); install its package anew") from error
        except OutputError as error:
            raise DataError(
                f"fashion-mnist: cannot unpack {file} into {raw}; set FEDLEAK_DATA to a folder that can be written"
            ) from error


@contextlib.contextmanager
def quiet_and_impatient() -> Iterator[None]:
    """Within the block torchvision prints nothing to standard output, and no connection waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)
