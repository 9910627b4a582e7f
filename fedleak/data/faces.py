"""The faces of scikit-image."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedleak.data.loader import Loader, batch_of, loaders
from fedleak.io.package_files import package_file
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source

FACES = 100
"""The file has this many faces, then as many patches of background."""


@loaders.register("faces")
@dataclass(frozen=True, kw_only=True)
class Faces(Loader):
    """100 faces (class 1) and 100 other patches (class 0) of LFW, gray, 25x25, without identities.

    LFW is a set for research; nobody in it was asked. Use it to study leakage, not to identify people.
    """

    paper: ClassVar = "https://people.cs.umass.edu/~elm/papers/lfw.pdf"
    cites: ClassVar = "huang2007labeled"

    def read(self, source: Source) -> Batch:
        images = np.load(package_file("skimage", "data/lfw_subset.npy"))
        labels = np.arange(len(images)) < FACES
        return batch_of(images.reshape(-1, *source.shape), labels, white=1.0)
