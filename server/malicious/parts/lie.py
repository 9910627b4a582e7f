"""Lies: manipulations of a protocol's messages, which leave the weights alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flwr.app import Message
from pydantic import Field

from fedleak.contracts.manipulation import Manipulation, ServerTerms
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.defenses.secure_aggregation_flower import SecureAggregationFlower
from fedleak.errors import ConfigError
from fedleak.federation import wire
from fedleak.federation.plan import FederationPlan

from ...layer import Layer
from ...manipulation import trains
from ...recorder import Recorder
from ...roster import Roster
from .place import Place

SUMS = (str(SecureAggregation.protocol), str(SecureAggregationFlower.protocol))
"""Protocols that open sums, and that a server can lie in."""


@dataclass(frozen=True, kw_only=True)
class Lie(Manipulation, ABC):
    """Stands as a layer below the protocol, next to the tap, or above it, next to the strategy.

    What the victim sent is recorded in the clear, in place of its masked vector, where the lie is believed. Where it
    is refused, the refusal is a failure of that client that the experiment asks for.
    """

    lies: ClassVar[bool] = True
    trains_on: ClassVar[bool] = True
    lies_in: ClassVar[tuple[str | None, ...]] = SUMS
    """The protocols that it needs; None: that updates are in the clear."""
    replaces: ClassVar[bool] = False
    """Whether the server runs the victim's round in a way of its own, of which other lies are no part."""
    victim: Annotated[int, Field(ge=0)] = 0
    """The client whose update the server wants."""

    def require(self, terms: ServerTerms) -> None:
        clients = terms.federation.clients
        if self.victim >= clients:
            raise ConfigError(
                f"{self.name}: expected a victim that is one of the {clients} clients, 0 to {clients - 1}, got "
                f"{self.victim}"
            )
        if terms.protocol not in self.lies_in:
            wanted = " or ".join(f"'{name}'" for name in self.lies_in if name)
            found = "its clients send updates in the clear" if terms.protocol is None else f"it has '{terms.protocol}'"
            raise ConfigError(
                f"{self.name}: expected a run under {wanted}, whose messages this server lies in, and {found}; put one "
                "of them in every chain, or leave the server out"
            )

    def crafts_for(self, client: int, cohort: Collection[int]) -> bool:
        return False

    def aims_at(self) -> int | None:
        return self.victim

    def stands_beside(self, other: Manipulation) -> bool:
        """What the server has of a victim is recorded once, in place of what it sent."""
        return not isinstance(other, Lie) or not (self.replaces or other.replaces or self.victim == other.victim)

    def below(self, inner: Layer, place: Place) -> Layer:
        """What the protocol talks to."""
        return inner

    def above(self, inner: Layer, place: Place) -> Layer:
        """What the strategy talks to."""
        return inner


class LyingRound(Layer):
    """Above the protocol: makes something of its own of each round that the victim is asked to train in."""

    def __init__(self, inner: Layer, victim: int, place: Place) -> None:
        super().__init__(inner)
        self.victim = victim
        self.place = place

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        asked = [self.place.client_of(message) for message in sent if trains(message)]
        if self.victim not in asked or not self.place.lies_in(wire.round_of(sent[0].content)):
            return self.inner.send_and_receive(sent, timeout=timeout)
        return self.round(sent, timeout)

    @abstractmethod
    def round(self, sent: list[Message], timeout: float | None) -> Iterable[Message]:
        """The replies that the strategy gets."""


class Reaching(Layer):
    """Next to the strategy: raises `ConfigError` where a victim is asked to train in no round in which it cheats.

    One that is sampled in none would be looked for in vain, and nothing would say so.
    """

    def __init__(self, inner: Layer, aimed: Iterable[Manipulation], plan: FederationPlan, roster: Roster) -> None:
        super().__init__(inner)
        self._plan = plan
        self._roster = roster
        self._missed = {one.aims_at(): one for one in aimed}
        """The victims that no round has reached yet, with what is told about them."""

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        if sent and trains(sent[0]):
            first, last = self._plan.server.begins, self._plan.federation.rounds
            if first <= (round := wire.round_of(sent[0].content)) <= last:
                for message in sent:
                    self._missed.pop(self._roster.client_of(message.metadata.dst_node_id), None)
            for victim, one in self._missed.items() if round == last else ():
                raise ConfigError(
                    f"{one.name}: expected a victim that is sampled in a round from {first} to {last}, got client "
                    f"{victim}, who is in none of them; name another, or raise the strategy's fraction_train"
                )
        return self.inner.send_and_receive(sent, timeout=timeout)


def speaking(
    grid: Layer,
    plan: FederationPlan,
    roster: Roster,
    recorder: Recorder | None,
    speak: Callable[[Layer, Recorder | None], Layer],
) -> Layer:
    """The run's protocol over a grid, among the layers of the server's lies; it lies where it records updates."""
    does = plan.manipulations()
    aimed = [one for one in does if one.aims_at() is not None]
    if recorder is None or not aimed:
        return speak(grid, recorder)
    lies: Sequence[Lie] = [one for one in does if isinstance(one, Lie)]
    place = Place(plan=plan, roster=roster, recorder=recorder, grid=grid, speak=speak)
    for lie in lies:
        grid = lie.below(grid, place)
    grid = speak(grid, recorder)
    for lie in lies:
        grid = lie.above(grid, place)
    return Reaching(grid, aimed, plan, roster)
