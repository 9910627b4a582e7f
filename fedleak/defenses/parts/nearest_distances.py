"""Nearest distances: how far each query of a user is from those before of the same class, and how normal that looks."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import shapiro
from torch import Tensor

from fedleak.learning.growing import Growing

LEAST, MOST = 100, 5000
"""Distances: more than the first are needed for a judgement, and the test is known to hold for the second."""
EACH, GROWTH = 1000, 1.01
"""Distances up to which there is a test after every query; from there on a test holds until they are 1% more."""
OUTLYING = 3
"""Standard deviations from the mean within which distances are judged."""


class NearestDistances:
    """What PRADA works out of a stream of queries, one by one; algorithm 1 of the paper.

    A class keeps the queries that are farther from all that it kept than is usual so far: the mean less the standard
    deviation of such distances, which never goes down.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.inputs = Growing(shape)
        self.scores = Growing()
        """One less Shapiro's and Wilk's W, as last tested at each query; 0 while there are too few distances."""
        self._distances = Growing()
        self._tested, self._score = 0, 0.0
        self._kept: dict[int, Growing] = {}
        self._gaps: dict[int, Growing] = {}
        self._usual: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self.inputs)

    def follow(self, inputs: Float[Tensor, "asked *shape"], probabilities: Float[Tensor, "asked classes"]) -> None:
        """Goes on with queries and what the model says of them."""
        scores = []
        for row, label in zip(inputs.flatten(1), probabilities.argmax(1).tolist(), strict=True):
            self._take(row, label)
            scores.append(self._suspicion())
        self.scores.append(torch.tensor(scores))
        self.inputs.append(inputs)

    def _take(self, row: Float[Tensor, " values"], label: int) -> None:
        if label not in self._kept:
            self._kept[label], self._gaps[label], self._usual[label] = Growing((len(row),)), Growing(), 0.0
            self._keep(row, label, 0.0)
            return
        off = self._kept[label].rows.numpy() - row.numpy()
        nearest = float(np.sqrt(np.einsum("ij,ij->i", off, off).min()))
        self._distances.append(torch.tensor([nearest]))
        if nearest > self._usual[label]:
            self._keep(row, label, nearest)

    def _keep(self, row: Float[Tensor, " values"], label: int, gap: float) -> None:
        self._kept[label].append(row[None])
        self._gaps[label].append(torch.tensor([gap]))
        gaps = self._gaps[label].rows.numpy()
        self._usual[label] = max(self._usual[label], float(gaps.mean() - gaps.std()))

    def _suspicion(self) -> float:
        found = len(self._distances)
        if found <= EACH or found >= GROWTH * self._tested:
            self._tested, self._score = found, 1 - self._normality()
        return self._score

    def _normality(self) -> float:
        """W of the newest distances without outliers, 1 where there are too few; 0 where all are the same."""
        found = self._distances.rows.numpy()[-MOST:]
        if len(found) <= LEAST:
            return 1.0
        usual = found[np.abs(found - found.mean()) <= OUTLYING * found.std()]
        if np.ptp(usual) == 0:  # the test is not defined, and nobody who means no harm asks so
            return 0.0
        return float(shapiro(usual).statistic)
