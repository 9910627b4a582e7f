"""The rows of `federations.jsonl`: what each federation was good for and what it took, round by round."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import nan
from pathlib import Path
from typing import Any

from fedleak.io.atomic import write_atomically
from fedleak.io.jsonl import (
    FIGURE,
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    check_choice,
    check_folders,
    check_kinds,
    check_setting,
    read_rows,
)
from fedleak.results.row import Split, figure, finite_or_null
from fedleak.settings import Scalar

FIGURES = ("accuracy", "loss", "bytes_received", "bytes_sent", "bytes_encoded", "client_seconds", "client_memory")
"""What may be NaN."""
KINDS = {
    **dict.fromkeys(("task", "federation", "split", "defense"), TEXT),
    **dict.fromkeys(("seed", "round", "messages", "failures"), WHOLE),
    "recorded": FLAG,
    **dict.fromkeys(FIGURES, FIGURE),
    "setting": (dict,),
    "seconds": NUMBER,
}
"""What each field of a row is in the file."""
SINCE = {"recorded": True, **dict.fromkeys(FIGURES[2:])}
"""What rows lack that were written before there were such figures."""


@dataclass(frozen=True, kw_only=True)
class FederationRow:
    """One round of one federation.

    Accuracy and loss are NaN where the model was not evaluated (`utility.rounds = 0`, `federation.fraction_evaluate =
    0`), costs where no client answered.
    """

    task: str
    setting: Mapping[str, Scalar]
    federation: str
    """The folder below the run's `recordings`; empty where the run has only one."""
    split: Split
    defense: str
    seed: int
    round: int
    recorded: bool = True
    """False for the rounds that only show how good the model becomes: nobody attacks them."""
    messages: int
    """Updates that the server recorded in this round, a revealed sum among them."""
    failures: int
    """Clients that sent nothing in this round."""
    accuracy: float
    """On the task's test split, after the round."""
    loss: float
    bytes_received: float = nan
    """By a client, for training, as Flower counts them; mean over clients."""
    bytes_sent: float = nan
    """The same of its answers."""
    bytes_encoded: float = nan
    """What a client's update would take in the encoding of its defenses: Flower sends every array whole."""
    client_seconds: float = nan
    """Of training and defenses; median over clients."""
    client_memory: float = nan
    """Bytes that these take at the peak; median over clients. NaN where the system cannot tell."""
    seconds: float
    """The whole federation's, the same in each of its rounds."""

    def facts(self) -> dict[str, Any]:
        """Plain data that JSON can hold."""
        return {key: finite_or_null(value) for key, value in asdict(self).items()}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "FederationRow":
        """The row that `facts` was made from; raises `KeyError` or `TypeError` where they are no row's."""
        facts = {**SINCE, **facts}
        check_kinds(facts, KINDS)
        check_setting(facts["setting"])
        check_choice(facts, "split", ("test", "tuning"))
        check_folders(facts, ("federation", "defense"))
        values = {name: facts[name] for name in KINDS}
        return cls(**{**values, **{name: figure(values[name]) for name in FIGURES}})


def write_federations(path: Path, rows: Iterable[FederationRow]) -> Path:
    """Writes the rows, one JSON object a line; the file is replaced whole."""
    return write_atomically(path, "".join(json.dumps(row.facts()) + "\n" for row in rows).encode())


def read_federations(path: Path) -> list[FederationRow]:
    """Reads `federations.jsonl`; raises `RecordingError` where it is missing or damaged."""
    return read_rows(path, FederationRow.from_facts)
