"""Who masks with whom: all clients in pairs, or a sparse ring in an order that nobody chose.

Bell et al., https://doi.org/10.1145/3372297.3417885: neighbours on a ring in random order are enough, if each client's
`threshold` is more than the corrupt among its neighbours and no more than those that stay.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from fedleak.errors import FederationError

from .keys import number


@dataclass(frozen=True)
class Degree:
    """How many neighbours each client has, and how many of a neighbourhood open what is shared with it.

    A neighbourhood is a client and its neighbours.
    """

    threshold: int
    neighbours: int | None = None
    """An even number; none: all clients."""

    def neighbourhood(self, clients: int) -> int:
        """How many are in a neighbourhood, the client itself among them."""
        return clients if self.neighbours is None else min(self.neighbours, clients - 1) + 1

    def helpers(self, clients: int) -> int:
        """How many of a neighbourhood must help a lying server to open a client, identity keys being registered.

        With fewer it cannot get `threshold` signatures under each of two lists of survivors, one with the client and
        one without, as every honest client signs one.
        """
        return 2 * self.threshold - self.neighbourhood(clients)

    def check(self, clients: int) -> None:
        """Refuses what is no ring, or a threshold that protects nobody or that nobody reaches."""
        size = self.neighbourhood(clients)
        if self.neighbours is not None and (self.neighbours < 2 or self.neighbours % 2):
            raise FederationError(
                f"secure-aggregation: neighbours must be an even number above 0, as half lie to each side of a ring, "
                f"and it is {self.neighbours}"
            )
        if self.threshold > size:
            raise FederationError(
                f"secure-aggregation: the threshold must be at most {size}, the size of a neighbourhood among "
                f"{clients} clients, and it is {self.threshold}"
            )
        if 2 * self.threshold <= size:
            raise FederationError(
                f"secure-aggregation: the threshold must be above half of the {size} clients of a neighbourhood, or "
                f"two halves open both secrets of a client, and it is {self.threshold}"
            )


@dataclass(frozen=True)
class Graph:
    """The clients of a round on a ring, each joined to the nearest."""

    ring: tuple[int, ...]
    neighbours: int | None

    @classmethod
    def of(cls, advertised: Mapping[int, bytes], neighbours: int | None) -> "Graph":
        """Ordered by SHA-256 over a client and everything that all clients advertised."""
        everything = hashlib.sha256()
        for client in sorted(advertised):
            everything.update(number(client) + hashlib.sha256(advertised[client]).digest())
        seed = everything.digest()
        ring = sorted(advertised, key=lambda client: hashlib.sha256(seed + number(client)).digest())
        sparse = neighbours is not None and neighbours < len(ring) - 1
        return cls(tuple(ring), neighbours if sparse else None)

    def of_client(self, client: int) -> tuple[int, ...]:
        """A client's neighbours, in ascending order."""
        if self.neighbours is None:
            return tuple(sorted(other for other in self.ring if other != client))
        place, half = self.ring.index(client), self.neighbours // 2
        steps = (*range(-half, 0), *range(1, half + 1))
        return tuple(sorted(self.ring[(place + step) % len(self.ring)] for step in steps))
