"""The digits of scikit-learn, handwritten."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedleak.data.loader import Loader, batch_of, loaders
from fedleak.io.package_files import package_file
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source


@loaders.register("digits")
@dataclass(frozen=True, kw_only=True)
class Digits(Loader):
    """1,797 gray images of 8x8 with 17 levels, ten classes: the data behind scikit-learn's `load_digits`."""

    paper: ClassVar = "https://doi.org/10.24432/C50P49"
    cites: ClassVar = "alpaydin1998optical"

    def read(self, source: Source) -> Batch:
        table = np.loadtxt(package_file("sklearn", "datasets/data/digits.csv.gz"), delimiter=",", dtype=np.int64)
        return batch_of(table[:, :-1].reshape(-1, *source.shape), table[:, -1], white=16.0)
