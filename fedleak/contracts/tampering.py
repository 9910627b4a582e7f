"""The contract of tampering: what training code from somebody else does beside training, and how it is found by name.

It mirrors that of defenses: hooks along a client's round. What is not overridden leaves things as they are.
"""

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.plugin import Plugin, Registry
from fedleak.contracts.reconstruction import Kind
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.federation import FederationSettings

By = Literal["trainer", "client", "party"]
WHO: dict[By, str] = {
    "trainer": "whoever wrote the client app",
    "client": "a client",
    "party": "a party that holds columns",
}
"""Who tampers, in words."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where in a federation tampered code runs, as it can tell by itself."""

    task: Task
    """With the network that is trained."""
    share: Batch
    """All examples of the client, whichever of them a round uses."""
    client: int = 0
    clients: int = 1
    weight: float = 1.0
    """The client's share in the mean that the server takes: of the examples of this round, as clients report them."""
    round: int = 1
    rounds: int = 1
    """Recorded rounds, and those after them."""
    sent: tuple[str, ...] = ()
    """The parameters that leave clients, in the network's order; see `sent_parameters`."""
    seed_key: tuple[object, ...] = ()
    """What seeds the client in this round."""


@dataclass(frozen=True, kw_only=True)
class PublicTerms:
    """What is public of a federation and decides whether tampering fits it, before anybody has an example."""

    federation: FederationSettings
    """As clients train in recorded rounds, under the defenses."""
    task: Task
    """With the network that is trained."""
    sent: tuple[str, ...] = ()
    """The parameters that leave clients, in the network's order."""


class Tampering(Plugin, ABC):
    """What somebody's code does along a client's round, beside what the client asked of it.

    Algorithm and options are known to whoever wrote it, so attacks that read what it left find them in
    `View.tampering`. Whatever draws takes the given `rng`.
    """

    by: ClassVar[By]
    """Whose doing it is."""
    leaves: ClassVar[Kind]
    """What an attack that reads it guesses."""
    deed: ClassVar[str]
    """What is done, as words that go behind who does it: "writes images of each client into the parameters"."""
    moves_slices: ClassVar[bool] = False
    """Whether each client has parameters of its own, which it moves by as much more as the mean makes of it less. Of
    such there is one at a time: each would multiply what another has multiplied."""

    def require(self, terms: PublicTerms) -> None:
        """Raises `ConfigError` where it does not fit the federation, such as a payload that is too large."""

    # Of whoever wrote the client app, or of a client.

    def examples(self, standing: Standing, examples: Batch, rng: Generator) -> Batch:
        """What is trained on in a round, in place of the client's own examples and before defenses act on them.

        The client still reports the number of its own.
        """
        return examples

    def penalty(self, standing: Standing, parameters: NamedTensors) -> Float[Tensor, ""] | None:
        """What is added to the loss of each local step, differentiable in the parameters; None: nothing."""
        return None

    def finish(self, standing: Standing, before: Weights, after: Weights) -> Weights:
        """The weights that are sent, of those after local training; defenses, a protocol too, act on these."""
        return after

    # Of a party that holds columns.

    def change(self, party: int, change: NamedTensors, kept: NamedTensors) -> tuple[NamedTensors, NamedTensors]:
        """How far a passive party's weights go down in a step, and what it keeps for the next one.

        `change` is what its own optimizer says, learning rate and momentum in it. What is kept is nothing at the first
        step of a round, as an optimizer's state is, and nobody else sees it.
        """
        return change, kept

    # For scoring.

    def hidden(self, standing: Standing) -> Hidden | None:
        """What it hides of the client's, for scoring alone; None: nothing. The same in each round."""
        return None


tamperings: Registry[Tampering] = Registry("tampering", "fedleak.tamperings")
