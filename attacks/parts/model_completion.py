"""Model completion: a fresh head on a party's own bottom network, trained on the few labels that it knows."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Generator

from fedleak.contracts.cut import Asks, Cut, CutAttack, Seat
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.mixmatch import MixMatch
from fedleak.learning.split import Party, held_by
from fedleak.learning.weights import Weights
from fedleak.settings.base import Amount, Count, Rate

FEWEST = 2
"""Rows without known labels, as BatchNorm needs them."""


@dataclass(frozen=True, kw_only=True)
class ModelCompletion(CutAttack):
    """Labels of rows by the party's own bottom network, completed with a head by MixMatch (Berthelot et al. 2019)."""

    seats: ClassVar[frozenset[Seat]] = frozenset({"passive"})
    asks: ClassVar[Asks] = "labels"
    learns_labels: ClassVar[bool] = True
    steps: Count = 150
    batch: Annotated[int, Field(ge=2)] = 32
    """Rows of a step with labels, and as many without; BatchNorm needs two."""
    learning_rate: Rate = 4e-3
    bottom_rate: Amount = 0.0
    """The bottom network's, as a share of the head's. 1: both are trained alike, as in the paper; 0: only the head."""
    temperature: Rate = 0.5
    alpha: Rate = 0.75
    unlabeled_weight: Amount = 50.0
    copies: Count = 2
    noise: Amount = 0.1

    def reconstruct(self, observation: Cut, rng: Generator) -> Reconstruction:
        inputs, labels = observation.labeled
        if not len(labels):
            raise NotApplicable(
                "it knows no label of any row to learn from; set adversary.known_labels or adversary.auxiliary"
            )
        others = observation.unlabeled
        if len(others) < FEWEST:
            raise NotApplicable(f"expected {FEWEST} rows without known labels or more, got {len(others)}")
        if observation.task.criterion.several_labels:
            raise NotApplicable("it guesses one label of each row, and rows have several")
        assert observation.own is not None
        assert observation.party is not None
        network, party = observation.network, observation.party
        held = held_by(Weights.of(network), party).like(observation.weights)
        learnt = self._learner.fit(
            Party(network, party).vectors(held.buffers),
            held.parameters,
            (inputs, labels),
            observation.own[others],
            observation.task.classes,
            rng,
        )
        return Reconstruction(columns=2 * learnt.probabilities(observation.own[observation.asked]) - 1)

    @property
    def _learner(self) -> MixMatch:
        return MixMatch(
            temperature=self.temperature,
            alpha=self.alpha,
            unlabeled=self.unlabeled_weight,
            copies=self.copies,
            noise=self.noise,
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            network_rate=self.bottom_rate,
        )
