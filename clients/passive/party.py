"""Passive party: holds columns and no labels, sends what its bottom network makes of them, and steps as it is told."""

from dataclasses import dataclass

from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.learning import split
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import one_thread, seeded

from ..party import Party


@dataclass(frozen=True, kw_only=True)
class PassiveParty(Party):
    """A party other than the active one."""

    def forward(self) -> NamedTensors:
        """The embedding of the rows."""
        if self.place.steps:
            self.begin()
        with one_thread(), seeded(*self.seed_key):
            answer = {wire.EMBEDDING: self._half.embedding(self.held.weights, self.columns.inputs, self.mode)}
        if self.place.steps:
            self.write("forward", answer)
        return answer

    def backward(self) -> NamedTensors:
        """Steps along the slope for the embedding that it sent of the rows."""
        self.place.require_after(self.held.last)
        slope = self.question.get(wire.SLOPE)
        if slope is None:
            raise FederationError(f"expected a message with '{wire.SLOPE}', got one with {', '.join(self.question)}")
        with one_thread(), seeded(*self.seed_key):
            gradients = self._half.slopes(self.held.weights, self.columns.inputs, slope, self.mode)
        self.step(gradients)
        self.write("backward", {})
        return {}

    @property
    def _half(self) -> split.Party:
        return split.Party(self.network, self.own)
