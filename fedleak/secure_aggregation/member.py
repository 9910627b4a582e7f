"""Member of a session: what a client knows by itself, whatever it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .keys import Randomness, system
from .messages import Session


@dataclass(frozen=True, kw_only=True)
class Member:
    """What a client knows by itself, before and between the stages of a session."""

    client: int
    session: Session
    randomness: Randomness = system
    identity: bytes | None = field(default=None, repr=False)
    """Its private Ed25519 key, 32 bytes; without one it makes one up for the session."""
    registry: Mapping[int, bytes] | None = None
    """Every client's public Ed25519 key; without it a lying server can be all the others."""
    smallest_cohort: int = 2
    """Its own floor beside the session's: fewer clients than that, and it refuses."""

    @property
    def least(self) -> int:
        """Clients below which it refuses."""
        return max(self.smallest_cohort, self.session.smallest_cohort)
