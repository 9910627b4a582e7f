"""Outcome of a federation: its recordings, failures and evaluation, as values and as files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import nan
from pathlib import Path

from fedleak import errors
from fedleak.errors import Dropout, FederationError, FedleakError, UserError
from fedleak.io.atomic import write_atomically

FAILURES = "failures.json"
EVALUATION = "evaluation.json"
COSTS = "costs.json"
"""The one of these files that has a clock in it."""
SETTLED = "settled"
"""In the round where training ended because the accuracy no longer rose: how many evaluations there were of that."""
Evaluation = dict[int, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class ClientFailure:
    """A client that answered a message with an error, or not at all; or a round that was lost for all."""

    client: int | None
    """None: the round was lost, as secure aggregation could not open a sum."""
    round: int
    """0 for the rounds before the recorded ones."""
    reason: str
    """`ErrorType: sentence`."""
    user_error: bool
    """Whether the input is at fault and can be mended."""
    planned: bool = False
    """Whether the experiment asked for it."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one round cost a client; NaN where no reply came that tells."""

    bytes_received: float
    """Of all that training sends to a client, key agreement included, as Flower counts it; mean over clients."""
    bytes_sent: float
    """The same of its answers."""
    bytes_encoded: float
    """What its update would take in the encoding of its defenses; mean over clients."""
    client_seconds: float
    """Training and defenses; median over clients."""
    client_memory: float
    """Bytes that these take at the peak, beyond what the process held before; median over clients."""
    values_cut: float = 0.0
    """Values beyond the greatest that secure aggregation in 32 bits was told, in all updates of the round's sum."""


UNKNOWN_COST = Cost(bytes_received=nan, bytes_sent=nan, bytes_encoded=nan, client_seconds=nan, client_memory=nan)


@dataclass(kw_only=True)
class Outcome:
    """What a federation comes to beside its recordings; grows while it runs."""

    failures: list[ClientFailure] = field(default_factory=list)
    evaluation: Evaluation = field(default_factory=dict)
    costs: dict[int, Cost] = field(default_factory=dict)
    """By round."""


@dataclass(frozen=True, kw_only=True)
class FederationReport:
    """A federation that came to its end."""

    recordings: tuple[Path, ...]
    """The JSON file of each recording, by round, then client, the aggregate last."""
    failures: Sequence[ClientFailure]
    seconds: float
    evaluation: Evaluation
    """By round, the clients' weighted mean of each metric; with rounds for utility, where none evaluates by itself,
    the first client's."""
    costs: Mapping[int, Cost]
    """By round."""


def client_failure(client: int, round: int, reason: str) -> ClientFailure:
    """A failure whose kind is told from the error's name that its reason begins with."""
    kind = _error_type(reason.partition(":")[0])
    planned = issubclass(kind, Dropout)
    return ClientFailure(
        client=client, round=round, reason=reason, user_error=issubclass(kind, UserError), planned=planned
    )


def lost_round(round: int, error: FederationError, *, planned: bool) -> ClientFailure:
    """A round of a protocol that was lost for all."""
    reason = f"{type(error).__name__}: {error}"
    return ClientFailure(client=None, round=round, reason=reason, user_error=False, planned=planned)


def failure_of_all(failures: Sequence[ClientFailure], sentence: str) -> FedleakError:
    """The error that stops a federation; the user's own (exit status 2) where that is what every client says."""
    reason = failures[0].reason if failures else "no reply came"
    name, _, clause = reason.partition(": ")
    if failures and all(failure.user_error for failure in failures):
        return _error_type(name)(f"{sentence}: {clause}")
    return FederationError(f"{sentence}: {reason}")


def clear_outcome(folder: Path) -> None:
    """Removes what an earlier federation left in the folder, its recordings too, and nothing else."""
    ours = [
        f"{who}.{kind}"
        for who in (
            *(f"round-[0-9]*/{one}" for one in ("client-[0-9]*", "aggregate", "model", "active", "relay", "sent")),
            "columns-[0-9]*",
        )
        for kind in ("json", "safetensors", "lines")
    ]
    for pattern in (*ours, FAILURES, EVALUATION, COSTS):
        for stale in folder.glob(pattern):
            stale.unlink()


def write_outcome(folder: Path, outcome: Outcome, error: Exception | None) -> None:
    """Writes `evaluation.json` and `costs.json`, then `failures.json`, the sign that the federation has ended."""
    costs = {round: asdict(cost) for round, cost in outcome.costs.items()}
    write_atomically(folder / EVALUATION, _json(outcome.evaluation), private=folder)
    write_atomically(folder / COSTS, _json(costs), private=folder)
    ended = None if error is None else {"type": type(error).__name__, "sentence": str(error)}
    failures = [asdict(failure) for failure in outcome.failures]
    write_atomically(folder / FAILURES, _json({"clients": failures, "federation": ended}), private=folder)


def read_outcome(folder: Path) -> Outcome:
    """What `write_outcome` wrote; raises the error that the federation ended with, if it did."""
    ended = json.loads((folder / FAILURES).read_bytes())["federation"]
    if ended is not None:
        raise _revived(ended["type"], ended["sentence"])
    return outcome_so_far(folder)


def outcome_so_far(folder: Path) -> Outcome:
    """The same of a federation that broke down; nothing where it did so without a word."""
    if not (folder / FAILURES).exists():
        return Outcome()
    facts = json.loads((folder / FAILURES).read_bytes())
    evaluation = json.loads((folder / EVALUATION).read_bytes())
    costs = json.loads((folder / COSTS).read_bytes())
    return Outcome(
        failures=[ClientFailure(**failure) for failure in facts["clients"]],
        evaluation={int(round): metrics for round, metrics in evaluation.items()},
        costs={int(round): Cost(**cost) for round, cost in costs.items()},
    )


def _revived(name: str, sentence: str) -> FedleakError:
    kind = _error_type(name)
    return kind(sentence if kind.__name__ == name else f"{name}: {sentence}")


def _error_type(name: str) -> type[FedleakError]:
    kind = getattr(errors, name, FederationError)
    return kind if isinstance(kind, type) and issubclass(kind, FedleakError) else FederationError


def _json(value: Mapping[str, object] | Mapping[int, object]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
