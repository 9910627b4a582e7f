"""Rows of `dp-audit.jsonl`: of each chain the epsilon that is declared, accounted for and measured, and a verdict."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from fedleak.formatting import figure
from fedleak.io.atomic import write_atomically
from fedleak.io.jsonl import read_rows
from fedleak.results.schema import Figure, Folder, Meaning, SettingTable, Text, Whole, finite_or_null, parser_of

Verdict = Literal["holds", "open", "broken", "no claim"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""`open`: what is claimed and more than it cannot be told apart by so few canaries."""


@dataclass(frozen=True, kw_only=True)
class DPRow:
    """What an audit says of one chain. Figures that there are not, or that are not finite, are NaN."""

    task: Annotated[Text, Meaning("the public problem: data and model")]
    defense: Annotated[Folder, Meaning("the defense's name in the experiment")]
    view: Annotated[Text, Meaning("what is seen: message, sum (over all clients) or model")]
    terms: Annotated[Text, Meaning("neighboring relation and sampling of what is accounted for")]
    delta: Annotated[Figure, Meaning("of each epsilon but the declared")]
    declared: Annotated[Figure, Meaning("epsilon that the setting names")]
    declared_delta: Annotated[Figure, Meaning("of the declared epsilon")]
    declared_of: Annotated[Text, Meaning("what the declared epsilon is of: a round, the run, or nothing")]
    rounds: Annotated[Whole, Meaning("recorded rounds of the experiment")]
    accounted: Annotated[Figure, Meaning("epsilon of one release by the accountant")]
    accounted_run: Annotated[Figure, Meaning("epsilon of all recorded rounds by the accountant")]
    ideal: Annotated[Figure, Meaning("epsilon of one release that an ideal attacker would show")]
    measured: Annotated[Figure, Meaning("epsilon of one release as estimated from canaries")]
    low: Annotated[Figure, Meaning("lower end of its interval")]
    high: Annotated[Figure, Meaning("upper end of its interval")]
    bound: Annotated[Figure, Meaning("lower bound on epsilon of one release whatever the mechanism is")]
    by_errors: Annotated[Figure, Meaning("lower bound by a threshold on scores, for normal noise")]
    by_guesses: Annotated[Figure, Meaning("lower bound by the surest tenth of the guesses, for normal noise")]
    one_shot: Annotated[Figure, Meaning("one-shot estimate by cosines, under add-or-remove")]
    least: Annotated[Figure, Meaning("epsilon of one release that all tests of the verdict show at least")]
    measured_run: Annotated[Figure, Meaning("the estimate for all recorded rounds")]
    low_run: Annotated[Figure, Meaning("lower end of its interval")]
    high_run: Annotated[Figure, Meaning("upper end of its interval")]
    confidence: Annotated[Figure, Meaning("of the interval and of the lower bound")]
    verdict_confidence: Annotated[Figure, Meaning("of the verdict, all its tests together")]
    canaries: Annotated[Whole, Meaning("clients, or clients' examples, that were canaries")]
    releases: Annotated[Whole, Meaning("scores: releases that a canary was in")]
    verdict: Annotated[Text, Meaning("holds, open, broken, or no claim")]
    cause: Annotated[Text, Meaning("what most likely broke it; empty: nothing did")]
    sentence: Annotated[Text, Meaning("the verdict in one sentence")]
    seed: Annotated[Whole, Meaning("of coins, directions and noise")]
    seconds: Annotated[Figure, Meaning("what the audit of the chain took")]
    setting: SettingTable

    @property
    def words(self) -> str:
        """`measured 0.95 (0.87 to 1.03) a release: holds`, or why nothing was measured."""
        if math.isnan(self.measured):
            return f"measured: {self.sentence}"
        between = f" ({figure(self.low)} to {figure(self.high)})"
        return f"measured {figure(self.measured)}{between} a release: {self.verdict}"

    def facts(self) -> dict[str, Any]:
        """Plain data that JSON can hold."""
        return {key: finite_or_null(value) for key, value in asdict(self).items()}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "DPRow":
        """The row that `facts` was made from; raises `TypeError` where they are no row's."""
        return _parse(facts)


_parse = parser_of(DPRow)


def write_dp_rows(path: Path, rows: Iterable[DPRow]) -> Path:
    """Writes the rows, one JSON object a line; the file is replaced whole."""
    return write_atomically(path, "".join(json.dumps(row.facts()) + "\n" for row in rows).encode())


def read_dp_rows(path: Path) -> list[DPRow]:
    """Reads `dp-audit.jsonl`; raises `RecordingError` where it is missing or damaged."""
    return read_rows(path, DPRow.from_facts)
