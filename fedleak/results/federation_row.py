"""Rows of `federations.jsonl`: what each federation was good for and what it took, round by round."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import nan
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
class FederationRow:
    """One round of one federation. Rows of earlier versions lack what has a default.

    Accuracy and loss are NaN where the model was not evaluated (`utility.rounds = 0`, `federation.fraction_evaluate =
    0`, between evaluations), costs where no client answered and in rounds that are not recorded.
    """

    task: Annotated[Text, Meaning("the public problem: data and model")]
    defense: Annotated[Folder, Meaning("the defense's name in the experiment")]
    server: Annotated[
        Text, Meaning("the server's name in the experiment; honest: it does nothing beside averaging")
    ] = "honest"
    seed: Annotated[Whole, Meaning("of the federation")]
    split: Annotated[Split, Meaning("test or tuning")]
    round: Annotated[Whole, Meaning("from 1")]
    recorded: Annotated[
        Flag, Meaning("false for the rounds after the attacked ones, which only show how good the model becomes")
    ] = True
    messages: Annotated[Whole, Meaning("updates that the server recorded in this round")]
    """A revealed sum among them."""
    failures: Annotated[Whole, Meaning("clients that sent nothing in this round")]
    lost: Annotated[Flag, Meaning("whether the round came to no end: no sum was opened, or a party left")] = False
    alarms: Annotated[Whole, Meaning("clients whose checks saw something in the model that they were sent")] = 0
    refused: Annotated[Whole, Meaning("clients that left the round because of that")] = 0
    disbelieved: Annotated[Whole, Meaning("clients that refused a lie of the server in its protocol")] = 0
    manipulated: Annotated[
        Flag, Meaning("whether the server did more than average: sent crafted weights, or shipped a network of its own")
    ] = False
    seen: Annotated[Text, Meaning("what they saw, a line for each check: the first client's sentence")] = ""
    accuracy: Annotated[Figure, Meaning("on the task's test split after the round; null where it was not evaluated")]
    clean_accuracy: Annotated[
        Figure, Meaning("the same of the federation with clean code beside a tampered one; null where nobody tampers")
    ] = nan
    loss: Annotated[Figure, Meaning("the same for the loss")]
    trivial: Annotated[
        Figure, Meaning("accuracy there of always naming the class that is commonest among the clients' examples")
    ] = nan
    settled: Annotated[
        Whole, Meaning("evaluations up to this one without a rise beyond noise, where training ended for that; else 0")
    ] = 0
    bytes_received: Annotated[
        Figure, Meaning("by a client, for training, as Flower counts them; mean over clients")
    ] = nan
    bytes_sent: Annotated[Figure, Meaning("the same of its answers")] = nan
    bytes_encoded: Annotated[Figure, Meaning("what a client's update would take in the encoding of its defenses")] = nan
    """Flower sends every array whole."""
    client_seconds: Annotated[Figure, Meaning("of training and defenses; median over clients")] = nan
    client_memory: Annotated[Figure, Meaning("bytes that these take at the peak; median over clients")] = nan
    """NaN where the system cannot tell."""
    values_cut: Annotated[
        Figure, Meaning("values beyond max_value that secure aggregation in 32 bits cut, in all of the sum's updates")
    ] = 0.0
    seconds: Annotated[Figure, Meaning("the whole federation's, the same in each of its rounds")]
    federation: Annotated[Folder, Meaning("folder of the federation below the run's recordings")]
    """Empty where the run has only one."""
    setting: SettingTable

    def facts(self) -> dict[str, Any]:
        """Plain data that JSON can hold."""
        return {key: finite_or_null(value) for key, value in asdict(self).items()}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "FederationRow":
        """The row that `facts` was made from; raises `TypeError` where they are no row's."""
        return _parse(facts)


_parse = parser_of(FederationRow)


def write_federations(path: Path, rows: Iterable[FederationRow]) -> Path:
    """Writes the rows, one JSON object a line; the file is replaced whole."""
    return write_atomically(path, "".join(json.dumps(row.facts()) + "\n" for row in rows).encode())


def read_federations(path: Path) -> list[FederationRow]:
    """Reads `federations.jsonl`; raises `RecordingError` where it is missing or damaged."""
    return read_rows(path, FederationRow.from_facts)
