"""What travels in each stage: tables from client to bytes, and the session that they belong to.

Every message but the masked vector is a header (stage and direction, session, number of rows) and rows of one length,
clients in ascending order. So there is one encoding of each content, no client comes twice, and an empty table is not
an empty message.
"""

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from fedleak.errors import FederationError, echo

from .graph import Degree
from .keys import KEY, SIGNATURE, TAG, number, verify
from .masks import CIPHERS, RINGS
from .shamir import SHARE

STAGES = ("advertise", "share", "masked", "confirm", "unmask")
Table: TypeAlias = Mapping[int, bytes]
"""Clients, each with its row."""
HEADER = 1 + KEY + 4
OWN, PAIR = b"\x00", b"\x01"
"""What a revealed share is of: the seed of a survivor's own mask, or the mask key of a client that is gone."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """What all sides of a round agree on before it; a message of another session is refused."""

    name: bytes
    """32 bytes that no other round has: a hash of the plan and the round."""
    degree: Degree
    smallest_cohort: int = 2
    """Clients below which a sum is not asked for."""
    ring_bits: int = 64
    cipher: str = "aes-256-ctr"

    def __post_init__(self) -> None:
        if len(self.name) != KEY or self.ring_bits not in RINGS or self.cipher not in CIPHERS:
            raise FederationError(
                f"secure-aggregation: a session has a name of {KEY} bytes, a ring of {' or '.join(map(str, RINGS))} "
                f"bits and the cipher {' or '.join(CIPHERS)}; {len(self.name)} bytes, {self.ring_bits} bits and "
                f"{echo(self.cipher)} came"
            )

    @cached_property
    def digest(self) -> bytes:
        """32 bytes of all of it: what messages and signatures of the session begin with."""
        degree = (self.degree.threshold, self.degree.neighbours)
        return hashlib.sha256(
            repr((self.name, degree, self.smallest_cohort, self.ring_bits, self.cipher)).encode()
        ).digest()


@dataclass(frozen=True)
class Layout:
    """One kind of message."""

    kind: int
    what: str
    """What it is, within a sentence."""
    row: int
    """Bytes of a row without its client."""

    def to_bytes(self, session: Session, table: Table) -> bytes:
        """The message."""
        rows = b"".join(number(client) + table[client] for client in sorted(table))
        return bytes([self.kind]) + session.digest + len(table).to_bytes(4, "big") + rows

    def from_bytes(self, session: Session, message: object, sender: str) -> Table:
        """Its table; what is none is refused, as `sender` sent it."""
        if not isinstance(message, bytes):
            raise self._refused(sender, f"something of type {type(message).__name__}")
        if len(message) < HEADER or message[0] != self.kind:
            raise self._refused(sender, f"another message, of {len(message)} bytes")
        if message[1 : 1 + KEY] != session.digest:
            raise self._refused(sender, "one of another session")
        length, count = 4 + self.row, int.from_bytes(message[1 + KEY : HEADER], "big")
        if len(message) != HEADER + count * length:
            raise self._refused(sender, f"{len(message)} bytes for {count} clients")
        rows = [message[start : start + length] for start in range(HEADER, len(message), length)]
        clients = [int.from_bytes(row[:4], "big") for row in rows]
        if any(later <= earlier for earlier, later in itertools.pairwise(clients)):
            raise self._refused(sender, "one with a client twice or out of order")
        return {client: row[4:] for client, row in zip(clients, rows, strict=True)}

    def of_client(self, session: Session, message: object, client: int) -> bytes:
        """The one row of a message about nobody but its sender."""
        table = self.from_bytes(session, message, f"client {client}")
        if table.keys() != {client}:
            raise self._refused(f"client {client}", f"one about {listed(table)}")
        return table[client]

    def _refused(self, sender: str, came: str) -> FederationError:
        return FederationError(f"secure-aggregation: {sender} must send {self.what}, and sent {came}")


@dataclass(frozen=True)
class Advertisement:
    """A client's public keys for a session, signed with its identity."""

    encryption: bytes
    mask: bytes
    identity: bytes
    commitment: bytes
    """SHA-256 over the seed of the client's own mask, so that forged shares of it are found out."""
    signature: bytes = b""

    def to_bytes(self) -> bytes:
        """A row of the roster."""
        return b"".join(self.keys) + self.commitment + self.signature

    @classmethod
    def from_bytes(cls, row: bytes) -> "Advertisement":
        """Of a row of the right length."""
        return cls(row[:KEY], row[KEY : 2 * KEY], row[2 * KEY : 3 * KEY], row[3 * KEY : 4 * KEY], row[4 * KEY :])

    @property
    def keys(self) -> tuple[bytes, bytes, bytes]:
        """The three public keys."""
        return self.encryption, self.mask, self.identity

    def statement(self, session: Session, client: int) -> bytes:
        """What its signature is under."""
        return b"advertise" + session.digest + number(client) + b"".join(self.keys) + self.commitment

    def verify(self, session: Session, client: int) -> None:
        """Refuses one that its identity did not sign."""
        verify(self.identity, self.signature, self.statement(session, client), client)


ADVERTISEMENT = Layout(1, "its keys", 4 * KEY + SIGNATURE)
ROSTER = Layout(2, "the keys of all clients", ADVERTISEMENT.row)
SEALED = Layout(3, "a box for each neighbour", 4 + 4 + KEY + 2 * SHARE + TAG)
DELIVERED = Layout(4, "the boxes of the neighbours", SEALED.row)
SURVIVORS = Layout(5, "the list of survivors", 0)
CONFIRMATION = Layout(6, "its signature under the list of survivors", SIGNATURE)
CONFIRMATIONS = Layout(7, "the signatures of the neighbourhood", SIGNATURE)
SHARES = Layout(8, "a share for each of its neighbourhood", 1 + SHARE)


def listed(clients: Iterable[int]) -> str:
    """`client 3` or `clients 1, 2 and 3`, at most five of them."""
    found = sorted(clients)
    names = [*map(str, found[:5]), *([f"{len(found) - 5} more"] if len(found) > 5 else [])]
    if len(names) < 2:
        return f"client {names[0]}" if names else "nobody"
    return f"clients {', '.join(names[:-1])} and {names[-1]}"
