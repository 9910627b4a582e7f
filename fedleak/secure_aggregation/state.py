"""What a client keeps between the stages of a session: stages may reach different processes."""

import json
from dataclasses import dataclass, field
from typing import Any

from fedleak.errors import FederationError

from .messages import STAGES, Table


@dataclass(frozen=True)
class State:
    """A client's secrets, what it was told, and what it answered. Whoever reads it can unmask the client."""

    encryption: bytes = field(repr=False)
    mask: bytes = field(repr=False)
    own: bytes = field(repr=False)
    """The seed of its own mask."""
    identity: bytes = field(repr=False)
    roster: Table = field(default_factory=dict)
    shares: Table = field(default_factory=dict, repr=False)
    """The share of the mask key, then that of the own mask's seed, of each in the neighbourhood whose box came."""
    model: bytes = b""
    survivors: tuple[int, ...] = ()
    answered: tuple[tuple[str, bytes, bytes], ...] = ()
    """Of each stage in order its name, the SHA-256 of its content, and the answer."""

    def answer(self, stage: str, content: bytes, client: int) -> bytes | None:
        """The answer given to the same content before; none where it is this stage's turn."""
        done = {name: (known, answer) for name, known, answer in self.answered}
        if stage in done:
            known, answer = done[stage]
            if known == content:
                return answer
            raise FederationError(
                f"secure-aggregation: client {client} has answered '{stage}' and answers again for the same content "
                "alone, and another came"
            )
        following = STAGES[len(done)] if len(done) < len(STAGES) else "nothing"
        if stage != following:
            raise FederationError(
                f"secure-aggregation: client {client} must be asked for '{following}' next, and was asked for '{stage}'"
            )
        return None

    def to_bytes(self) -> bytes:
        """JSON, with bytes as hexadecimal digits."""
        secrets = [self.encryption, self.mask, self.own, self.identity]
        written = {
            "secrets": [secret.hex() for secret in secrets],
            "roster": _hexed(self.roster),
            "shares": _hexed(self.shares),
            "model": self.model.hex(),
            "survivors": self.survivors,
            "answered": [(stage, known.hex(), answer.hex()) for stage, known, answer in self.answered],
        }
        return json.dumps(written).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "State":
        """What `to_bytes` wrote; anything else is refused."""
        try:
            return cls._of(json.loads(stored))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise FederationError(
                "secure-aggregation: a client goes on from the state that it kept, and what is stored is none"
            ) from error

    @classmethod
    def _of(cls, read: Any) -> "State":
        encryption, mask, own, identity = map(bytes.fromhex, read["secrets"])
        return cls(
            encryption,
            mask,
            own,
            identity,
            roster=_table(read["roster"]),
            shares=_table(read["shares"]),
            model=bytes.fromhex(read["model"]),
            survivors=tuple(map(int, read["survivors"])),
            answered=tuple(
                (stage, bytes.fromhex(known), bytes.fromhex(given)) for stage, known, given in read["answered"]
            ),
        )


def _hexed(table: Table) -> dict[int, str]:
    return {client: row.hex() for client, row in table.items()}


def _table(read: dict[str, str]) -> Table:
    return {int(client): bytes.fromhex(row) for client, row in read.items()}
