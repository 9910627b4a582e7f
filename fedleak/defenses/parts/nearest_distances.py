"""Nearest distances: how far each query of a user is from those before of the same class, and how normal that looks."""

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.special import ndtri
from torch import Tensor

from fedleak.learning.growing import Growing

LEAST, MOST = 100, 5000
"""Distances: more than the first are needed for a judgement, and the test is known to hold for the second."""
EACH, GROWTH = 1000, 1.01
"""Distances up to which there is a test after every query; from there on a test holds until they are 1% more."""
OUTLYING = 3
"""Standard deviations from the mean within which distances are judged."""
BLOCK = 256
"""Queries whose distances are worked out at once."""
NEAR = 1e-9
"""The share of the squared lengths of two rows below which their squared distance is no difference of products."""
ENDS = np.array(
    [[0.221157, -0.147981, -2.07119, 4.434685, -2.706056], [0.042981, -0.293762, -1.752461, 5.682633, -3.582633]]
)
"""For the last value and the last but one, of the powers 1 to 5 of the square root of one over how many there are."""


class NearestDistances:
    """What PRADA works out of a stream of queries, one by one; algorithm 1 of the paper."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.inputs = Growing(shape)
        self.labels = Growing(dtype=torch.int64)
        self.scores = Growing()
        """One less Shapiro's and Wilk's W, as last tested at each query; 0 while there are too few distances."""
        self._distances = Growing()
        self._tested, self._score = 0, 0.0
        self._classes: dict[int, _Class] = {}

    def __len__(self) -> int:
        return len(self.inputs)

    def follow(self, inputs: Float[Tensor, "asked *shape"], probabilities: Float[Tensor, "asked classes"]) -> None:
        """Goes on with queries and what the model says of them."""
        rows, labels = inputs.flatten(1).double(), probabilities.argmax(1)
        nearest = torch.empty(len(rows))
        for label in sorted(set(labels.tolist())):
            places = torch.nonzero(labels == label).flatten()
            own = self._classes.setdefault(label, _Class(rows[places[0]]))
            for block in torch.split(places, BLOCK):
                nearest[block] = torch.from_numpy(own.nearest(rows[block])).float()
        found = nearest.isfinite()
        counts = (len(self._distances) + found.cumsum(0)).tolist()
        self._distances.append(nearest[found])
        self.scores.append(torch.tensor([self._suspicion(count) for count in counts]))
        self.inputs.append(inputs)
        self.labels.append(labels)

    def _suspicion(self, found: int) -> float:
        """By so many of the distances."""
        if found != self._tested and (found <= EACH or found >= GROWTH * self._tested):
            self._tested, self._score = found, 1 - self._normality(found)
        return self._score

    def _normality(self, found: int) -> float:
        """W of the newest distances without outliers, 1 where there are too few; 0 where all are the same."""
        if found <= LEAST:
            return 1.0
        ordered = np.sort(self._distances.rows.numpy()[max(found - MOST, 0) : found]).astype(np.float64)
        about = ordered - np.add.reduce(ordered) / len(ordered)
        limit = OUTLYING * math.sqrt(about @ about / len(about))
        usual = ordered[about.searchsorted(-limit) : about.searchsorted(limit, "right")]
        if usual[0] == usual[-1]:  # the test is not defined, and nobody who means no harm asks so
            return 0.0
        return shapiro_wilk(usual)


class _Class:
    """What a class keeps: queries that are farther from all that it kept than is usual so far.

    Usual is the mean less the standard deviation of such distances, and never goes down.
    """

    def __init__(self, first: Float64[Tensor, " values"]) -> None:
        self._first = first
        """Rows are kept as differences from it: so those of small steps differ as much as they are long."""
        self._kept = Growing((len(first),), torch.float64)
        self._mean = self._squares = self._usual = 0.0

    def nearest(self, rows: Float64[Tensor, "asked values"]) -> Float64[np.ndarray, " asked"]:
        """How far each of the next queries is from what was kept before it, infinitely where nothing was."""
        rows = rows - self._first
        squared = _squared_distances(rows, self._kept.rows)
        nearest, kept = squared[:, len(rows) :].min(1, initial=math.inf), []
        for place, later in enumerate(squared):
            gap = math.sqrt(nearest[place])
            if gap > self._usual:
                kept.append(place)
                self._learn(gap if math.isfinite(gap) else 0.0, len(self._kept) + len(kept))
                np.minimum(nearest[place + 1 :], later[place + 1 : len(rows)], out=nearest[place + 1 :])
        self._kept.append(rows[kept])
        return np.asarray(np.sqrt(nearest))

    def _learn(self, gap: float, count: int) -> None:
        """One of `count` such distances is new; Welford's way, so that as many of the same have no deviation."""
        off = gap - self._mean
        self._mean += off / count
        self._squares += off * (gap - self._mean)
        self._usual = max(self._usual, self._mean - math.sqrt(self._squares / count))


def _squared_distances(
    rows: Float64[Tensor, "asked values"], kept: Float64[Tensor, "kept values"]
) -> Float64[np.ndarray, "asked others"]:
    """Of each row to all rows and all that was kept: by a product of matrices, or where it cancels by differences."""
    others = torch.cat([rows, kept])
    lengths = others.square().sum(1)
    own = lengths[: len(rows)]
    squared = torch.addmm(own[:, None] + lengths, rows, others.T, alpha=-2)
    squared.diagonal().fill_(math.inf)
    for place in torch.nonzero(squared.amin(1) < NEAR * (own + lengths.amax())).flatten().tolist():
        near = squared[place] < NEAR * (own[place] + lengths)
        squared[place, near] = (rows[place] - others[near]).square().sum(1)
    return np.asarray(squared)


def shapiro_wilk(ordered: Float64[np.ndarray, " values"]) -> float:
    """Shapiro's and Wilk's W: how much a sample looks normal, up to 1, by its values in ascending order: six or more,
    and not all the same.

    As Royston approximates it; SciPy's without the cost of a call. Source: Remark AS R94, Applied Statistics 44 (1995).
    """
    about = ordered - ordered[len(ordered) // 2]  # no digits are lost where all are far from 0
    about -= np.add.reduce(about) / len(about)
    return float(_weights(len(about)) @ about) ** 2 / float(about @ about)


@lru_cache(maxsize=2048)
def _weights(values: int) -> Float64[np.ndarray, " values"]:
    """What the ordered values are weighted by, of length 1: nearly as values of a normal distribution are expected."""
    expected = ndtri((np.arange(1, values // 2 + 1) - 0.375) / (values + 0.25))
    length = math.sqrt(2 * expected @ expected)
    ends = ENDS @ values ** (-np.arange(1, 6) / 2) - expected[:2] / length
    left = (1 - 2 * ends @ ends) / (length**2 - 2 * expected[:2] @ expected[:2])
    upper = np.concatenate([ends, -expected[2:] * math.sqrt(left)])
    weights = np.concatenate([-upper, np.zeros(values % 2), upper[::-1]])
    return np.asarray(weights / np.linalg.norm(weights))
