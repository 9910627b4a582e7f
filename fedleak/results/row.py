"""Rows of `results.jsonl`: one figure each, with everything needed to read it alone."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

from fedleak.contracts.score import Score
from fedleak.io.atomic import write_atomically
from fedleak.io.jsonl import read_rows
from fedleak.results.schema import (
    Figure,
    Figures,
    Flag,
    Folder,
    Meaning,
    SettingTable,
    Split,
    Text,
    Who,
    Whole,
    finite_or_null,
    parser_of,
)
from fedleak.settings.base import Scalar

GUESSES = ("prior_per_sample", "no_access_per_sample", "class_mean_per_sample")
"""The fields of a row that hold a blind guess for each sample."""
BESIDE = (*GUESSES, "single_color_per_sample", "nearest_public_per_sample")
"""All that stands beside each sample, oracles last. Empty in a row of a version that knew no such thing."""
RARE = ("queries", "refused", "known_classes")
"""Counts that are left out of the file where they are 0: of a prediction API that there was, of classes asked about."""
EARLIER = "blind_per_sample"
RENAMED = {"no_gradient": "no_access", "no_gradient_per_sample": "no_access_per_sample"}
"""Fields of rows of earlier versions, and what they are called now."""
ONCE_CALLED = {"no-gradient": "no-access"}
"""The same of attacks' registered names."""


@runtime_checkable
class Cellular(Protocol):
    """A place or a row: what tells which cell of a run it belongs to."""

    @property
    def setting(self) -> Mapping[str, Scalar]: ...
    @property
    def federation(self) -> str: ...
    @property
    def attack(self) -> str: ...
    @property
    def defense(self) -> str: ...
    @property
    def client(self) -> Who: ...
    @property
    def round(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attack on one message, by one metric. NaN means not applicable (null in the file); `reason` says why.

    In the order of the columns of `results.parquet`.
    """

    task: Annotated[Text, Meaning("the public problem: data and model")]
    defense: Annotated[Folder, Meaning("the defense's name in the experiment")]
    algorithm: Annotated[Text, Meaning("the attack's registered name")]
    attack: Annotated[Text, Meaning("the attack's label")]
    """Its name, with what tells its variants apart, and `-2`, `-3`, ... where it comes again."""
    client: Annotated[Who, Meaning("the client's number; null for the aggregate and the model")]
    round: Annotated[Whole, Meaning("of the federation, from 1")]
    seed: Annotated[Whole, Meaning("of the federation and the attack")]
    split: Annotated[Split, Meaning("test; or tuning: only chooses among the variants of an attack")]
    server: Annotated[
        Text, Meaning("the server's name in the experiment; honest: it does nothing beside averaging")
    ] = "honest"
    metric: Annotated[Text, Meaning("what is measured")]
    value: Annotated[Figure, Meaning("mean over the samples; null where there is none, see reason")]
    baseline: Annotated[Figure, Meaning("the same for the prior: the best constant guess without the update")]
    no_access: Annotated[
        Figure, Meaning("the same for no access: the same knowledge without what is looked at; see docs/figures.md")
    ]
    class_mean: Annotated[Figure, Meaning("the same for the mean public image of each label inferred")] = math.nan
    single_color: Annotated[Figure, Meaning("an oracle: the same for the best patch of one color")] = math.nan
    nearest_public: Annotated[Figure, Meaning("an oracle: the same for the nearest public example")] = math.nan
    threshold: Annotated[Figure, Meaning("from where on a sample counts as leaked in this task")] = math.nan
    best: Annotated[Figure, Meaning("the sample that leaked most")]
    worst: Annotated[Figure, Meaning("the sample that leaked least")]
    unit: Annotated[Text, Meaning("of value, best, worst, threshold, what stands beside them, and per_sample")]
    higher_is_better: Annotated[Flag, Meaning("for the attacker: a higher value is more leakage")]
    certifiable: Annotated[Flag, Meaning("whether the attack had a test that its guess could have passed")]
    certified: Annotated[Flag, Meaning("whether the attack proved its guess")]
    certificate: Annotated[Text | None, Meaning("the test that proved the guess, in words; null where none did")]
    trouble: Annotated[
        Text | None,
        Meaning("why the attack fell short by its own figures, in a word; null where it did not, as far as known"),
    ]
    diagnosis: Annotated[Text | None, Meaning("the same in a sentence, with what to do about it")]
    reason: Annotated[Text | None, Meaning("why there is no value, or only one over a part of the samples")]
    applicable: Annotated[Flag, Meaning("false where the metric cannot judge what the attack guesses, or such data")]
    """Where it can and there is no figure, the attack failed."""
    seconds: Annotated[Figure, Meaning("what the attack took")]
    """On one thread; the same for every metric of a reconstruction."""
    samples: Annotated[Whole, Meaning("examples behind the message")]
    known_classes: Annotated[
        Whole, Meaning("of the classes asked about: how many the public data has, where nothing was to be gained")
    ] = 0
    per_sample: Annotated[Figures, Meaning("the value of each sample; null where no guess was matched to it")]
    prior_per_sample: Annotated[Figures, Meaning("for each sample the prior's figure")] = ()
    no_access_per_sample: Annotated[Figures, Meaning("for each sample that of public examples, the mean of draws")] = ()
    class_mean_per_sample: Annotated[Figures, Meaning("for each sample that of the mean of its class")] = ()
    single_color_per_sample: Annotated[Figures, Meaning("an oracle: for each sample the best color's")] = ()
    nearest_public_per_sample: Annotated[Figures, Meaning("an oracle: for each the nearest public example's")] = ()
    queries: Annotated[Whole, Meaning("what the attack asked a prediction API; 0 where there was none")] = 0
    refused: Annotated[Whole, Meaning("those of them that were not answered")] = 0
    federation: Annotated[Folder, Meaning("folder of the federation below the run's recordings")]
    """Empty where the run has only one."""
    setting: SettingTable
    """What else varies in the campaign; seed, task, attack and defense have places of their own."""

    def facts(self) -> dict[str, Any]:
        """Plain data that JSON can hold: a figure that is not finite becomes null, rare counts of 0 are left out."""
        return {key: finite_or_null(value) for key, value in vars(self).items() if value or key not in RARE}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Row":
        """The row that `facts` was made from; raises `TypeError` where they are no row's."""
        row = _parse(_of_today(facts))
        for name in BESIDE:
            own, beside = len(row.per_sample), len(getattr(row, name))
            if beside not in (0, own):
                raise TypeError(f"{name}: expected {own} figures as in per_sample, got {beside}")
        return row


def _of_today(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Rows of earlier versions have other names, or the better of two guesses for each sample in place of the prior's.

    The label of an attack stays: by it the files of its cells are found.
    """
    known = {RENAMED.get(name, name): value for name, value in facts.items()}
    if known.get("algorithm") in ONCE_CALLED:
        known["algorithm"] = ONCE_CALLED[known["algorithm"]]
    return known if EARLIER not in known else {"prior_per_sample": known[EARLIER], **known}


_parse = parser_of(Row)


@runtime_checkable
class Measure(Protocol):
    """What a row needs to know of its metric."""

    name: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]


@dataclass(frozen=True, kw_only=True)
class Remarks:
    """What an attack said of its guess; as in a row."""

    certifiable: bool = False
    certificate: str | None = None
    trouble: str | None = None
    diagnosis: str | None = None


SILENT = Remarks()


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the rows of one reconstruction have in common."""

    task: str
    setting: Mapping[str, Scalar] = field(default_factory=dict)
    federation: str = ""
    split: Split = "test"
    algorithm: str
    attack: str
    defense: str
    server: str = "honest"
    client: Who
    round: int
    seed: int

    def row(self, score: Score, *, seconds: float, samples: int, remarks: Remarks = SILENT) -> Row:
        """The row of one score."""
        own = {**asdict(self), **asdict(remarks), **asdict(score)}
        if not score.reason and not math.isfinite(score.value):
            own["reason"] = f"the value is {score.value}"
        return Row(**own, certified=remarks.certificate is not None, seconds=seconds, samples=samples)

    def failed(self, metrics: Iterable[Measure], reason: str, *, seconds: float = 0.0) -> list[Row]:
        """A row without a figure for each metric, and why."""
        return [
            self.row(not_scored(metric, reason), seconds=seconds, samples=0)  # no sample was looked at
            for metric in metrics
        ]


def not_scored(metric: Measure, reason: str) -> Score:
    """No figure, and why."""
    return Score(
        metric=metric.name,
        value=math.nan,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        reason=reason,
    )


def write_results(path: Path, rows: Iterable[Row]) -> Path:
    """Writes the rows, one JSON object a line; the file is replaced whole."""
    return write_atomically(path, "".join(json.dumps(row.facts()) + "\n" for row in rows).encode())


def read_results(path: Path) -> list[Row]:
    """Reads `results.jsonl`; raises `RecordingError` where it is missing or damaged."""
    return read_rows(path, Row.from_facts)
