"""The roster of a session: everybody's public keys, and what follows from them for all who hold it."""

import hashlib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property

from fedleak.errors import FederationError

from .graph import Graph
from .keys import KeyPair, derive, number, pair_key, seal, unseal
from .masks import Stream
from .messages import ROSTER, Advertisement, Session, Table, listed
from .shamir import SHARE, check

PROBE = KeyPair(bytes(range(32)))
"""A pair of nobody, to see whether a key is one."""


class TooFewError(FederationError):
    """A round that is lost because too many clients have left it, and for nothing else."""


@dataclass(frozen=True)
class Roster:
    """The advertisements of a session, by client."""

    session: Session
    rows: Table

    @cached_property
    def advertised(self) -> Mapping[int, Advertisement]:
        """The rows, read."""
        return {client: Advertisement.from_bytes(row) for client, row in self.rows.items()}

    @cached_property
    def message(self) -> bytes:
        """As every client gets it."""
        return ROSTER.to_bytes(self.session, self.rows)

    @cached_property
    def context(self) -> bytes:
        """32 bytes of the session and everybody's keys: what keys and signatures are bound to from here on."""
        return hashlib.sha256(b"roster" + self.message).digest()

    @cached_property
    def _graph(self) -> Graph:
        return Graph.of(self.rows, self.session.degree.neighbours)

    def neighbours(self, client: int) -> tuple[int, ...]:
        """Whom a client masks with, in ascending order."""
        return self._graph.of_client(client)

    def check(self, registry: Mapping[int, bytes] | None, smallest_cohort: int) -> None:
        """Refuses too few clients, a key that is there twice, and identities that are not the registered ones."""
        if len(self.rows) < smallest_cohort:
            raise FederationError(
                f"secure-aggregation: a sum must be over at least {smallest_cohort} clients, and {len(self.rows)} "
                "advertised keys"
            )
        self.session.degree.check(len(self.rows))
        keys = [key for one in self.advertised.values() for key in one.keys]
        if len(set(keys)) != len(keys):
            raise FederationError("secure-aggregation: a roster must hold every key once, and it holds one twice")
        for client, one in self.advertised.items():
            _registered(registry, client, one)

    def verify(self) -> None:
        """Refuses an advertisement that its identity did not sign."""
        for client, one in self.advertised.items():
            one.verify(self.session, client)

    def enough(self, client: int, others: Set[int], what: str) -> None:
        """Refuses a neighbourhood of a client in which fewer than the threshold are among `others`."""
        size = len({client, *self.neighbours(client)} & others)
        if size < self.session.degree.threshold:
            raise FederationError(
                f"secure-aggregation: at least {self.session.degree.threshold} of the neighbourhood of client "
                f"{client} must {what}, and {size} did"
            )

    def box(self, pair: KeyPair, sender: int, receiver: int, shares: bytes) -> bytes:
        """A pair of shares for nobody but the receiver, sealed by the sender, whose encryption keys are `pair`."""
        label = self._label(sender, receiver)
        return seal(self._box_key(pair, sender, receiver, sender), label + shares, label)

    def unbox(self, pair: KeyPair, sender: int, receiver: int, box: bytes) -> bytes:
        """The pair of shares in a box, opened by the receiver; one that is not from the sender to it is refused."""
        label = self._label(sender, receiver)
        content = unseal(self._box_key(pair, receiver, sender, sender), box, label, sender, receiver)
        shares = content[len(label) :]
        if not content.startswith(label) or len(shares) != 2 * SHARE:
            raise FederationError(
                f"secure-aggregation: a box from client {sender} to client {receiver} must say so, and says otherwise"
            )
        for share in (shares[:SHARE], shares[SHARE:]):
            check(share, sender, sender)
        return shares

    def _box_key(self, pair: KeyPair, own: int, other: int, sender: int) -> bytes:
        public = self.advertised[other].encryption
        return pair_key(pair, own, other, public, f"box of client {sender}", self.context)

    def _label(self, sender: int, receiver: int) -> bytes:
        """What is in a box beside the shares, and associated with it."""
        return number(sender) + number(receiver) + self.context

    def own_mask(self, seed: bytes, client: int, model: bytes) -> Stream:
        """A client's own mask: always added."""
        return Stream(derive(seed, "own mask", self.context, number(client), model), added=True)

    def pair_mask(self, pair: KeyPair, client: int, other: int, model: bytes) -> Stream:
        """The mask of a pair as `client`, whose mask keys are `pair`, adds it to its vector or takes it away.

        Bound to the model received. The lower of the two adds.
        """
        public = self.advertised[other].mask
        return Stream(pair_key(pair, client, other, public, "pair mask", self.context + model), client < other)

    def survivors_statement(self, survivors: Iterable[int], model: bytes) -> bytes:
        """What each survivor signs: who survived, in this session, with these keys and this model."""
        return b"confirm" + self.context + model + b"".join(number(client) for client in sorted(survivors))


def _registered(registry: Mapping[int, bytes] | None, client: int, one: Advertisement) -> None:
    if registry is not None and registry.get(client) != one.identity:
        raise FederationError(
            f"secure-aggregation: client {client} must have the identity key that is registered for it, and "
            f"{'another came' if client in registry else 'none is registered'}"
        )


def admit(
    session: Session, client: int, row: bytes, registry: Mapping[int, bytes] | None, taken: Set[bytes]
) -> Advertisement:
    """An advertisement, read; refuses what would lose the round for all: unsigned, of low order, or with others' keys.

    `taken` are the keys that came before.
    """
    one = Advertisement.from_bytes(row)
    one.verify(session, client)
    _registered(registry, client, one)
    for key in (one.encryption, one.mask):
        PROBE.exchange(key, client)
    if len(set(one.keys) - taken) != len(one.keys):
        raise FederationError(
            f"secure-aggregation: client {client} must advertise keys that nobody else has, and one came before"
        )
    return one


def subset(found: Set[int], of: Set[int], what: str) -> None:
    """Refuses clients in a question that do not belong there."""
    if found - of:
        raise FederationError(f"secure-aggregation: {what} must not hold {listed(found - of)}, and it does")
