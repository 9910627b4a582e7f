"""Judges: two classifiers of different make that say what an image shows; trained apart, for scoring alone.

A classifier can be fooled, so no verdict is theirs alone: see `fedleak.metrics.recognised`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.data.splits import load
from fedleak.errors import ConfigError, DataError, NotApplicable
from fedleak.formatting import listed
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source
from fedleak.learning.space import InputSpace, require_images

if TYPE_CHECKING:
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

TAUGHT = 5000
"""Public examples that they learn from at most: the time of support vectors grows with the square of these."""
TRIED = 2000
"""Test examples that their error is counted on at most."""
DOUBTFUL = 0.05
"""The share of test examples that a judge may get wrong before scores say so."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedJudges:
    """Support vectors with a Gaussian kernel, and the five nearest neighbours."""

    space: InputSpace
    support_vectors: "SVC"
    nearest_neighbours: "KNeighborsClassifier"
    errors: tuple[tuple[str, float], ...]
    """Of each by name: the share of the task's test split that it takes for another class."""

    @property
    def doubt(self) -> str | None:
        """That a judge errs in more than `DOUBTFUL` of real examples, and in how many; None where none does."""
        if all(error <= DOUBTFUL for _, error in self.errors):
            return None
        words = listed(f"{name} {error:.1%}" for name, error in self.errors)
        return f"the judges err: of real examples they take for another class, {words}"

    def know(self, label: int) -> bool:
        """Whether an example of the class was among those that they learnt from."""
        return label in self.support_vectors.classes_

    def convinced(self, image: Float[Tensor, "*shape"], label: int) -> tuple[bool, ...]:
        """Of each whether it takes the image, clamped to its range, for one of the class."""
        rows = _rows(self.space, image[None])
        return tuple(int(judge.predict(rows)[0]) == label for judge in (self.support_vectors, self.nearest_neighbours))


@lru_cache(maxsize=2)
def judges_of(source: Source | None) -> TrainedJudges:
    """The judges of a task's data set, which learn from all of its public examples, whatever an adversary lacks.

    The last two sets' judges are kept: as many copies of their public examples, in double precision. The same on every
    machine: neither of them rolls dice. Raises `NotApplicable` where the data are no images of one class each, or are
    not at hand.
    """
    if source is None:
        raise NotApplicable("the data set of these examples is not known, so there is nothing to train judges on")
    if source.several_labels:
        raise NotApplicable("a judge tells one class from others, and each example here has a set of labels")
    try:
        splits = load(source)
    except (ConfigError, DataError) as error:
        raise NotApplicable(f"there are no judges without the task's data: {error}") from error
    public, test = splits.auxiliary, splits.test
    require_images(public.space, "a judge")
    return _trained(_some(public, TAUGHT), _some(test, TRIED))


def judges_from(examples: Batch) -> TrainedJudges:
    """Judges that learn from every other of these examples and are tried on the rest; raises `NotApplicable`."""
    require_images(examples.space, "a judge")
    taught, tried = (examples[torch.arange(first, len(examples), 2)] for first in (0, 1))
    return _trained(_some(taught, TAUGHT), _some(tried, TRIED))


def _some(examples: Batch, most: int) -> Batch:
    """The first, which are a sample: splits are in the order of chance."""
    return examples[torch.arange(min(most, len(examples)))]


def _trained(public: Batch, test: Batch) -> TrainedJudges:
    from sklearn.neighbors import KNeighborsClassifier  # takes a second to import, and most runs ask no judge
    from sklearn.svm import SVC

    space = public.space
    known, classes = _rows(space, public.inputs), public.labels.numpy()
    if len(np.unique(classes)) < 2:
        raise NotApplicable("a judge tells one class from others, and the public examples are of one alone")
    vectors = SVC(kernel="rbf").fit(known, classes)
    neighbours = KNeighborsClassifier(n_neighbors=min(5, len(known))).fit(known, classes)
    rows, right = _rows(space, test.inputs), test.labels.numpy()
    found = {"support vectors": vectors.predict(rows), "nearest neighbours": neighbours.predict(rows)}
    return TrainedJudges(
        space=space,
        support_vectors=vectors,
        nearest_neighbours=neighbours,
        errors=tuple((name, float(np.mean(said != right))) for name, said in found.items()),
    )


def _rows(space: InputSpace, images: Float[Tensor, "images *shape"]) -> np.ndarray:
    rows: np.ndarray = space.clamped(images.detach().double()).flatten(1).numpy()
    return rows
