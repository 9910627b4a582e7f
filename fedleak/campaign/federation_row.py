"""The rows of `federations.jsonl`: what each federation was good for and what it took, round by round."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fedleak.errors import RecordingError
from fedleak.files import write_atomically
from fedleak.results import Scalar, Split, figure, finite_or_null


@dataclass(frozen=True, kw_only=True)
class FederationRow:
    """One round of one federation. NaN where the model was not evaluated (`federation.fraction_evaluate = 0`)."""

    task: str
    setting: Mapping[str, Scalar]
    federation: str
    """The folder below the run's `recordings`; empty where the run has only one."""
    split: Split
    defense: str
    seed: int
    round: int
    messages: int
    """Updates that the server recorded in this round, a revealed sum among them."""
    failures: int
    """Clients that sent nothing in this round."""
    accuracy: float
    """On the task's test split, after the round."""
    loss: float
    seconds: float
    """The whole federation's, the same in each of its rounds."""

    def facts(self) -> dict[str, Any]:
        """Plain data that JSON can hold."""
        return {key: finite_or_null(value) for key, value in asdict(self).items()}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "FederationRow":
        """The row that `facts` was made from."""
        values = {field.name: facts[field.name] for field in fields(cls)}
        return cls(**{**values, "accuracy": figure(values["accuracy"]), "loss": figure(values["loss"])})


def write_federations(path: Path, rows: Iterable[FederationRow]) -> Path:
    """Writes the rows, one JSON object a line; the file is replaced whole."""
    return write_atomically(path, "".join(json.dumps(row.facts()) + "\n" for row in rows).encode())


def read_federations(path: Path) -> list[FederationRow]:
    """Reads `federations.jsonl`; raises `RecordingError` where it is missing or damaged."""
    try:
        return [FederationRow.from_facts(json.loads(line)) for line in path.read_text().splitlines()]
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}; is it a run folder?") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is damaged ({error}); run the experiment again") from error
