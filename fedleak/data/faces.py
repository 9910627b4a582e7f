"""The faces of scikit-image."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedleak.data.loader import Loader, batch_of, loaders, package_file
from fedleak.learning.batch import Batch
from fedleak.tasks import Source

FACES = 100
"""The file has this many faces, then as many patches of background."""


@loaders.register("faces")
@dataclass(frozen=True, kw_only=True)
class Faces(Loader):
    """100 faces (class 1) and 100 other patches (class 0) of LFW, gray, 25x25, without identities.

    LFW is a set for research; nobody in it was asked. Use it to study leakage, not to identify people.
    """

    paper: ClassVar = "https://people.cs.umass.edu/~elm/papers/lfw.pdf"
    bibtex: ClassVar = """@techreport{huang2007labeled,
  title = {Labeled Faces in the Wild: A Database for Studying Face Recognition in Unconstrained Environments},
  author = {Huang, Gary B. and Ramesh, Manu and Berg, Tamara and Learned-Miller, Erik},
  institution = {University of Massachusetts, Amherst}, number = {07-49}, year = {2007},
  url = {https://people.cs.umass.edu/~elm/papers/lfw.pdf}
}"""

    def read(self, source: Source) -> Batch:
        images = np.load(package_file("skimage", "data/lfw_subset.npy"))
        labels = np.arange(len(images)) < FACES
        return batch_of(images.reshape(-1, *source.shape), labels, white=1.0)
