"""Rows of `checks.jsonl`: what clients' checks measured of the models that they were sent, alarm or none."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from fedleak.io.atomic import write_atomically
from fedleak.io.jsonl import read_rows
from fedleak.results.schema import (
    Figure,
    Flag,
    Folder,
    Meaning,
    SettingTable,
    Split,
    Text,
    Whole,
    finite_or_null,
    parser_of,
)


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One figure of one model as one client received it."""

    task: Annotated[Text, Meaning("the public problem: data and model")]
    defense: Annotated[Folder, Meaning("the defense's name in the experiment")]
    server: Annotated[Text, Meaning("the server's name in the experiment; honest: it only averages")]
    seed: Annotated[Whole, Meaning("of the federation")]
    split: Annotated[Split, Meaning("test, tuning or calibration, which sets thresholds")]
    round: Annotated[Whole, Meaning("from 1")]
    client: Annotated[Whole, Meaning("whose check it was")]
    crafted: Annotated[Flag, Meaning("whether the server sent this client crafted weights in this round")]
    check: Annotated[Text, Meaning("the check's registered name")]
    statistic: Annotated[Text, Meaning("what it measures")]
    value: Annotated[Figure, Meaning("more is more suspicious")]
    alarm: Annotated[Flag, Meaning("whether the check raised an alarm here, by its own thresholds")] = False
    seconds: Annotated[Figure, Meaning("what the whole check took the client")]
    federation: Annotated[Folder, Meaning("folder of the federation below the run's recordings")]
    setting: SettingTable

    def facts(self) -> dict[str, Any]:
        """Plain data that JSON can hold."""
        return {key: finite_or_null(value) for key, value in asdict(self).items()}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "CheckRow":
        """The row that `facts` was made from; raises `TypeError` where they are no row's."""
        return _parse(facts)


_parse = parser_of(CheckRow)


def write_checks(path: Path, rows: Iterable[CheckRow]) -> Path:
    """Writes the rows, one JSON object a line; the file is replaced whole."""
    return write_atomically(path, "".join(json.dumps(row.facts()) + "\n" for row in rows).encode())


def read_checks(path: Path) -> list[CheckRow]:
    """Reads `checks.jsonl`; raises `RecordingError` where it is missing or damaged."""
    return read_rows(path, CheckRow.from_facts)
