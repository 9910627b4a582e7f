"""Active party: holds the labels and the top network, beside columns and a bottom network of its own."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from fedleak.data.splits import load
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.learning import split
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import one_thread, seeded

from ..party import Party


@dataclass(frozen=True, kw_only=True)
class ActiveParty(Party):
    """The party that the others train for."""

    def top(self) -> NamedTensors:
        """Steps, and gives the slope for what each other party sent."""
        self.begin()
        with one_thread(), seeded(*self.seed_key):
            step = self._half.step(self.held.weights, self.columns.inputs, self._received, self._labels, self.mode)
        self.step(step.gradients)
        with one_thread():
            answer = {
                f"{wire.SLOPE}.{party}": self._sent(slope, party) for party, slope in enumerate(step.slopes, start=1)
            }
        self.write("top", answer)
        return answer

    def assess(self) -> dict[str, int | float]:
        """Loss and accuracy of the joint network on the rows of the test split, as clients that hold rows give them."""
        if self.place.steps:
            raise FederationError("expected the rows of the test split, got those of a step; this party refuses")
        with one_thread():
            scores = self._half.scores(self.held.weights, self.columns.inputs, self._received)
        criterion, labels = self.client.task.criterion, self._labels
        trivial = labels == load(self.plan.source).clients.labels.mode(0).values
        return {
            wire.NUM_EXAMPLES: len(labels),
            "loss": float(criterion.mean(scores, labels)),
            "accuracy": (criterion.decided(scores) == labels).double().mean().item(),
            "trivial": trivial.double().mean().item(),
        }

    def _sent(self, slope: Tensor, party: int) -> Tensor:
        """What another party gets in place of the slope for its embeddings."""
        return self.cut.slope(slope, self._labels, (*self.seed_key, "cut", party))

    @property
    def _half(self) -> split.ActiveParty:
        return split.ActiveParty(self.network, self.own, self.client.task.criterion)

    @property
    def _received(self) -> list[Tensor]:
        """What the others sent, in their order."""
        return [self.received(f"{wire.EMBEDDING}.{party}", party) for party in range(1, self.plan.federation.clients)]

    @property
    def _labels(self) -> Int[Tensor, " batch"]:
        labels = self.columns.labels
        if labels is None:
            raise FederationError(f"party {self.own} has no labels; ask party {split.ACTIVE}")
        return labels
