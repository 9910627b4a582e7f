"""Options of an audit."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """How an audit measures."""

    canaries: int | None = None
    """Clients that are canaries; None: all."""
    error: float = 0.05
    """Standard error of epsilon as a share of it, which rounds are chosen for."""
    rounds: int | None = None
    """In place of as many as the error asks for."""
    confidence: float = 0.95
    verdict_confidence: float = 0.99
    delta: float | None = None
    """None: the declared one, or 1e-5."""
    seed: int = 0
    jobs: int = 1
