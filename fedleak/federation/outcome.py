"""What came of a federation: its recordings, its failures, its evaluation; as values and as files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fedleak import errors
from fedleak.errors import FederationError, FedleakError, UserError
from fedleak.files import write_atomically

FAILURES = "failures.json"
EVALUATION = "evaluation.json"
Evaluation = dict[int, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class ClientFailure:
    """A client that answered a message with an error, or not at all."""

    client: int
    round: int
    """0 for the rounds before the recorded ones."""
    reason: str
    """`ErrorType: sentence`."""
    user_error: bool
    """Whether the input is at fault and can be mended."""


@dataclass(frozen=True, kw_only=True)
class FederationReport:
    """A federation that came to its end."""

    recordings: tuple[Path, ...]
    """The JSON file of each recording, by round, then client, the aggregate last."""
    failures: tuple[ClientFailure, ...]
    seconds: float
    evaluation: Evaluation
    """By round, the clients' weighted mean of each metric."""


def client_failure(client: int, round: int, reason: str) -> ClientFailure:
    """A failure whose kind is told from the error's name that its reason begins with."""
    kind = _error_type(reason.partition(":")[0])
    return ClientFailure(client=client, round=round, reason=reason, user_error=issubclass(kind, UserError))


def failure_of_all(failures: Sequence[ClientFailure], sentence: str) -> FedleakError:
    """The error that stops a federation; the user's own (exit status 2) where that is what every client says."""
    reason = failures[0].reason if failures else "no reply came"
    name, _, clause = reason.partition(": ")
    if failures and all(failure.user_error for failure in failures):
        return _error_type(name)(f"{sentence}: {clause}")
    return FederationError(f"{sentence}: {reason}")


def clear_outcome(folder: Path) -> None:
    """Removes what an earlier federation left in the folder, its recordings too, and nothing else."""
    ours = [f"round-[0-9]*/{who}.{kind}" for who in ("client-[0-9]*", "aggregate") for kind in ("json", "safetensors")]
    for pattern in (*ours, FAILURES, EVALUATION):
        for stale in folder.glob(pattern):
            stale.unlink()


def write_outcome(
    folder: Path, failures: Sequence[ClientFailure], evaluation: Evaluation, error: Exception | None
) -> None:
    """Writes `evaluation.json`, then `failures.json`, the sign that the federation has ended."""
    write_atomically(folder / EVALUATION, _json(evaluation))
    ended = None if error is None else {"type": type(error).__name__, "sentence": str(error)}
    write_atomically(
        folder / FAILURES, _json({"clients": [asdict(failure) for failure in failures], "federation": ended})
    )


def read_outcome(folder: Path) -> tuple[tuple[ClientFailure, ...], Evaluation]:
    """What `write_outcome` wrote; raises the error that the federation ended with, if it did."""
    facts = json.loads((folder / FAILURES).read_bytes())
    if facts["federation"] is not None:
        raise _revived(facts["federation"]["type"], facts["federation"]["sentence"])
    evaluation = json.loads((folder / EVALUATION).read_bytes())
    return (
        tuple(ClientFailure(**failure) for failure in facts["clients"]),
        {int(round): metrics for round, metrics in evaluation.items()},
    )


def _revived(name: str, sentence: str) -> FedleakError:
    kind = _error_type(name)
    return kind(sentence if kind.__name__ == name else f"{name}: {sentence}")


def _error_type(name: str) -> type[FedleakError]:
    kind = getattr(errors, name, FederationError)
    return kind if isinstance(kind, type) and issubclass(kind, FedleakError) else FederationError


def _json(value: Mapping[str, object] | Evaluation) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
