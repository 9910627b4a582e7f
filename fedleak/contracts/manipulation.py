"""The contract of a manipulation: what a malicious server does beside averaging, and how it is found by name.

In Flower whoever runs the server ships the app too, so it may change the network that clients train, and it says what
weights each of them begins a round with. What is not overridden leaves things as they are.
"""

from abc import ABC
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.plugin import Plugin, Registry
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.federation import FederationSettings


@dataclass(frozen=True, kw_only=True)
class ServerTerms:
    """What is public of a federation and decides whether a manipulation fits it, before anybody has an example."""

    federation: FederationSettings
    """As clients train in recorded rounds, under the defenses."""
    task: Task
    """With the network that clients train: as the server ships it, changed by the defenses."""
    protocol: str | None = None
    """The wire protocol of the run's defenses, by its name in `Defense.protocol`; None: clients send updates."""
    public: int = 0
    """Public examples that the adversary holds."""
    begins: int = 1
    """The first of the recorded rounds in which the server manipulates."""
    victims: int | None = None
    """Clients whose messages are recorded and attacked, the first so many; None: all."""


@dataclass(frozen=True, kw_only=True)
class Crafting:
    """What a server knows when it makes the weights that one client is sent in one round. Nothing private."""

    task: Task
    """With the network that clients train."""
    weights: Weights
    """What an honest server would send: the strategy's. Of several manipulations: what those before made of it."""
    round: int
    """From 1."""
    first: int = 1
    """The round in which the server began to manipulate."""
    client: int
    cohort: tuple[int, ...]
    """The clients that take part in the round, by number."""
    federation: FederationSettings
    """As clients train, under the defenses."""
    public: Batch | None = None
    """The public examples that the adversary holds; None: it holds none."""


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """What a sum over several clients says of one of them alone."""

    victim: int
    trusted: NamedTensors
    """By parameter, 1 where no other client has a part in the entry, else 0."""
    examples: int | None = None
    """How many examples of the victim are behind the sum, where the server was told; its weight in the mean follows."""


class Manipulation(Plugin, ABC):
    """What a malicious server ships, and what weights it sends to whom.

    Algorithm and options are known to whoever runs it, so attacks that read what it planted find them in
    `View.manipulations`, and the weights that were sent in the recording. Whatever draws takes the given `rng`, which
    is the same for all clients and rounds.
    """

    deed: ClassVar[str]
    """What the server does, as words that go behind it: "ships a network with an imprint module"."""
    takes: ClassVar[str]
    """What it takes beside running the server, for the threat model: "that clients run the app that it ships"."""
    ships: ClassVar[bool] = False
    """Whether it changes the network that the app ships."""
    sends_alike: ClassVar[bool] = True
    """Whether all clients of a round are sent the same weights."""
    uses_public: ClassVar[bool] = False
    """Whether it needs public examples."""
    lies: ClassVar[bool] = False
    """Whether it lies in messages of a protocol, and sends the weights that an honest server sends."""
    trains_on: ClassVar[bool] = False
    """Whether the server goes on with what clients learn under it; else its model does not move in those rounds."""

    def require(self, terms: ServerTerms) -> None:
        """Raises `ConfigError` where it does not fit the network, the federation or the protocol."""

    def transform_task(self, task: Task) -> Task:
        """The task with the network that the app ships; fresh layers draw from torch's global generator.

        The task that is given is not changed. Of the network that defenses then change nothing is known here.
        """
        return task

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        """The weights that a client is sent. Those that are given are not changed."""
        return at.weights

    def crafts_for(self, client: int, cohort: Collection[int]) -> bool:
        """Whether what a client of a round is sent is crafted: else a check of it has nothing to see."""
        return True

    def aims_at(self) -> int | None:
        """The client that it is after; None: all of them."""
        return None

    def stands_beside(self, other: "Manipulation") -> bool:
        """Whether one chain has room for both; else one would undo what the other does, without a word."""
        return True

    def isolation(self, task: Task, before: Mapping[int, Weights]) -> Isolation | None:
        """What a sum says of one client alone, from the weights that each client was sent; None: nothing."""
        return None

    def parts(self, task: Task, before: Mapping[int, Weights]) -> Mapping[int, int]:
        """Where in what it plants each client's examples go, from the weights that each was sent; nothing: all to one
        place. Clients of one number go to the same."""
        return {}

    def expected_alone(self, examples: int, cohort: int | None = None, kept: float = 1.0) -> float | None:
        """How many of so many examples in a message are expected to be alone in what it plants, so that they come back.

        `cohort`: the examples of the whole round; None: those of the message. `kept`: the share of planted rows that
        are really sent. None: it sorts nothing.
        """
        return None

    def bins_read(self, kept: float = 1.0) -> int | None:
        """How many bins it sorts examples into, where one step on them gives back one example a bin at most.

        `kept` as above. None: it sorts nothing, or examples come back in other ways too.
        """
        return None


manipulations: Registry[Manipulation] = Registry("manipulation", "fedleak.server.malicious")


def planted(does: Iterable[Manipulation]) -> Iterator[Manipulation]:
    """Manipulations, and those within them: a wrapper plants what the one within it does."""
    for one in does:
        yield one
        yield from planted(value for value in vars(one).values() if isinstance(value, Manipulation))
