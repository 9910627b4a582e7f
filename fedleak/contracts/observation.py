"""Observation: everything the adversary holds about one message, public or from the wire, nothing private."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from jaxtyping import Int64
from torch import Tensor

from fedleak.contracts.manipulation import Isolation
from fedleak.contracts.view import View
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update
from fedleak.learning.weights import NamedTensors, Weights, widened


@dataclass(frozen=True, kw_only=True)
class MaskedVector:
    """A client's vector as it crossed the wire under its masks, and what the server knows of these."""

    elements: Int64[Tensor, " entries"]
    """Of the ring, from 0."""
    own_seed: int | None = None
    """Seed of the mask that the client has with nobody, which the server opens to remove it; None where it did not."""
    peers: int | None = None
    """With how many others the client has masks; None where that is unknown."""


@dataclass(frozen=True, kw_only=True)
class Observation(View):
    """One client's update, or an aggregate of several, as the server saw it."""

    reader: ClassVar[str] = (
        "the server. It follows the protocol, keeps every message, and afterwards guesses the clients' examples from "
        "each"
    )
    cheating: ClassVar[str] = reader.replace(
        "the protocol,", "the protocol as far as the rows below do not say otherwise,"
    )
    """The same of a server that manipulates."""
    before: Weights
    """What the server sent."""
    update: Update
    """What came back, over the model's parameters; where masked, the ring elements read as fixed-point numbers."""
    buffers_after: NamedTensors | None = None
    """BatchNorm statistics and counters as they came back; None where they are withheld or masked."""
    num_examples: int | None = None
    """Examples behind the update, as the clients reported them; None where that is unknown."""
    training: LocalTraining = field(default_factory=LocalTraining)
    """How each client trains, as far as the adversary knows."""
    masked: bool = False
    """Whether the update is still under its pairwise masks, and so uniformly random without the keys."""
    masked_vector: MaskedVector | None = None
    """The same as it crossed the wire, under a protocol whose masks can be searched for."""
    isolation: Isolation | None = None
    """Of a sum what it says of one client alone, where the server made it so; None: nothing."""
    parts: tuple[int, ...] = ()
    """Of a sum where in what the server planted the examples of each client of the cohort went, if it keeps them apart.
    """
    amplified: float = 1.0
    """Of a part that was taken out of a sum: how many times as large as in a message of so many clients the noise is.
    """
    others: tuple["Observation", ...] = ()
    """What else the adversary held of the same run when this message came: those of other clients, those of earlier
    rounds. Only for attacks that say so in `Attack.requires`."""

    def gradient(self) -> NamedTensors:
        """The mean gradient that the update implies, by parameter, at least in float32; see `Update.as_gradient`."""
        exact = Update({name: widened(value) for name, value in self.update.tensors.items()}, self.update.kind)
        return exact.as_gradient(self.before.parameters, self.training).tensors

    def examples(self) -> int:
        """How many examples to guess: as reported, else one batch for each client of the cohort."""
        return self.num_examples or (self.training.batch_size or 1) * len(self.cohort)

    def previous_rounds(self) -> tuple["Observation", ...]:
        """The messages of the same cohort in earlier rounds, oldest first."""
        earlier = [other for other in self.others if other.cohort == self.cohort and other.round < self.round]
        return tuple(sorted(earlier, key=lambda message: message.round))

    def other_clients(self) -> tuple["Observation", ...]:
        """The messages of other clients in the same round, as far as they can be read."""
        readable = [other for other in self.others if other.round == self.round and not other.masked]
        return tuple(other for other in readable if not set(other.cohort) & set(self.cohort))

    def with_auxiliary(self, auxiliary: Batch | None) -> "Observation":
        """The same observation for an adversary who also holds public data."""
        return replace(self, auxiliary=auxiliary)
