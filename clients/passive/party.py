"""Passive party: holds columns and no labels, sends what its bottom network makes of them, and steps as it is told."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedleak.contracts.tampered import Moved, moved
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.learning import split
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import one_thread, seeded

from ..party import Party

SENT, PLACE = "fedleak.party-sent", "place"
"""The record in the party's state of the rows that it sent last, and in which step."""


@dataclass(frozen=True, kw_only=True)
class PassiveParty(Party):
    """A party other than the active one."""

    def forward(self) -> NamedTensors:
        """The embedding of the rows."""
        self._require_passive()
        if self.place.steps:
            self.begin()
        with one_thread(), seeded(*self.seed_key):
            plain = self._half.embedding(self.held.weights, self.columns.inputs, self.mode)
            answer = {wire.EMBEDDING: self._sent(plain)}
        if self.place.steps:
            self.context.state[SENT] = wire.to_arrays({wire.ROWS: self.rows, PLACE: self._place})
            self.write("forward", answer)
        return answer

    def backward(self) -> NamedTensors:
        """Steps along the slope for the embedding that it sent of the rows."""
        self.place.require_after(self.held.last)
        self._require_sent()
        slope = self.received(wire.SLOPE, self.own)
        with one_thread(), seeded(*self.seed_key):
            half, weights, own = self._half, self.held.weights, self.columns.inputs
            gradients = half.slopes(weights, own, slope, self.mode, self._sent, self.cut.penalty)
        self.step(gradients)
        self.write("backward", {})
        return {}

    def moved(self, change: NamedTensors, kept: Mapping[str, NamedTensors]) -> Moved:
        """What those who tamper make of it."""
        return moved(self.plan.tampering(), self.own, change, kept)

    def _require_passive(self) -> None:
        if self.own == split.ACTIVE:
            raise FederationError(f"party {self.own} has the labels and sends no embedding; ask the others")

    def _require_sent(self) -> None:
        """Refuses a slope for what it has not sent, or not in this step."""
        record = self.context.state.array_records.get(SENT)
        sent = {} if record is None else wire.to_tensors(record)
        if not sent or not (torch.equal(sent[PLACE], self._place) and torch.equal(sent[wire.ROWS], self.rows)):
            raise FederationError(
                f"expected a slope for the rows that this party was asked for in step {self.place.step} of round "
                f"{self.place.round}, got one for others; this party refuses"
            )

    @property
    def _place(self) -> Tensor:
        return torch.tensor([self.place.round, self.place.step])

    def _sent(self, embedding: Tensor) -> Tensor:
        """What leaves the party in place of the embedding of the rows, the same whenever the step is computed."""
        return self.cut.embeddings(embedding, self.rows, self._noise_key)

    @property
    def _noise_key(self) -> tuple[int | str, ...]:
        """What seeds the defenses of embeddings: the weights, as who asks for other steps would average over them."""
        last, rows = self.held.last, "train" if self.place.steps else "test"
        return (self.plan.seed, "cut", self.own, last.round, last.step, rows)

    @property
    def _half(self) -> split.Party:
        return split.Party(self.network, self.own)
