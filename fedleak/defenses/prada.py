"""PRADA: users whose queries lie unusually regular are blocked."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fedleak.contracts.defense import defenses
from fedleak.contracts.detector import Detector
from fedleak.contracts.traffic import Asked
from fedleak.defenses.parts.nearest_distances import NearestDistances
from fedleak.settings.base import Share


@defenses.register("prada")
@dataclass(frozen=True, kw_only=True)
class Prada(Detector):
    """Blocks a user for good once the distances between queries of a class are not normally distributed.

    Each query is compared to those that its predicted class keeps; the distances to the nearest, of all classes
    together, are tested after Shapiro and Wilk. Fewer than 100 are never judged. Distances that are all the same, which
    that test is not made for, are taken for an attack. Past 1,000 distances the test is repeated with each 1% more.
    """

    paper: ClassVar = "https://arxiv.org/abs/1805.02628"
    cites: ClassVar = "juuti2019prada"
    adaptive_strategy: ClassVar[str] = "asks fewer inputs than it judges by, or spreads them as users do"
    threshold: Share = 0.95
    """The least W that passes for normal; 1 is normal."""

    @property
    def caveat(self) -> str:
        return "it judges nobody by the first hundred queries, and users one by one: several accounts share an attack"

    def score(self, asked: Asked) -> Float[Tensor, " asked"]:
        """One less W, over all that the user asked up to each input."""
        return self._scores(asked)[len(asked.history) :].clone()

    def admits(self, asked: Asked) -> Bool[Tensor, " asked"]:
        return (self._scores(asked).cummax(0).values <= 1 - self.threshold)[len(asked.history) :]

    def _scores(self, asked: Asked) -> Float[Tensor, " all"]:
        """Those of the history and of this request, begun anew only where what is there is of other queries."""
        history, before = asked.history, len(asked.history)
        known = history.derived.get(self)
        if not isinstance(known, NearestDistances) or not _leads_to(known, asked):
            known = NearestDistances(tuple(asked.inputs.shape[1:]))
        for rows, said, first in (
            (history.inputs, history.probabilities, len(known)),
            (asked.inputs, asked.probabilities, max(len(known) - before, 0)),
        ):
            known.follow(rows[first:], said[first:])
        history.derived[self] = known
        return known.scores.rows[: before + len(asked)]


def _leads_to(known: NearestDistances, asked: Asked) -> bool:
    """Whether what was worked out is of the history, and of what of this request was looked at already."""
    ahead = slice(len(asked.history), len(asked.history) + len(asked))
    inputs, labels = known.inputs.rows[ahead], known.labels.rows[ahead]
    said = asked.probabilities[: len(labels)].argmax(1)  # two versions of a model may say different things of an input
    return torch.equal(inputs, asked.inputs[: len(inputs)]) and torch.equal(labels, said)
