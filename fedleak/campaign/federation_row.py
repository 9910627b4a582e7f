"""The rows of `federations.jsonl`: what each federation was good for and what it took, round by round."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedleak.files import write_atomically
from fedleak.results import Scalar, Split, figure, finite_or_null
from fedleak.rowfile import (
    FIGURE,
    NUMBER,
    TEXT,
    WHOLE,
    check_choice,
    check_folders,
    check_kinds,
    check_setting,
    read_rows,
)

KINDS = {
    **dict.fromkeys(("task", "federation", "split", "defense"), TEXT),
    **dict.fromkeys(("seed", "round", "messages", "failures"), WHOLE),
    **dict.fromkeys(("accuracy", "loss"), FIGURE),
    "setting": (dict,),
    "seconds": NUMBER,
}
"""What each field of a row is in the file."""


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
        """The row that `facts` was made from; raises `KeyError` or `TypeError` where they are no row's."""
        check_kinds(facts, KINDS)
        check_setting(facts["setting"])
        check_choice(facts, "split", ("test", "tuning"))
        check_folders(facts, ("federation", "defense"))
        values = {name: facts[name] for name in KINDS}
        return cls(**{**values, "accuracy": figure(values["accuracy"]), "loss": figure(values["loss"])})


def write_federations(path: Path, rows: Iterable[FederationRow]) -> Path:
    """Writes the rows, one JSON object a line; the file is replaced whole."""
    return write_atomically(path, "".join(json.dumps(row.facts()) + "\n" for row in rows).encode())


def read_federations(path: Path) -> list[FederationRow]:
    """Reads `federations.jsonl`; raises `RecordingError` where it is missing or damaged."""
    return read_rows(path, FederationRow.from_facts)
