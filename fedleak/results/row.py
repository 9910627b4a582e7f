"""The rows of `results.jsonl`: one figure each, with everything needed to read it alone."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from fedleak.contracts.score import Score
from fedleak.io.atomic import write_atomically
from fedleak.io.jsonl import (
    FIGURE,
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    WORDS,
    check_choice,
    check_figures,
    check_folders,
    check_kinds,
    check_setting,
    read_rows,
)
from fedleak.settings import Scalar

AGGREGATE: Literal["aggregate"] = "aggregate"


Who = int | Literal["aggregate"]
"""A client's number, or the sum that secure aggregation revealed."""


Split = Literal["test", "tuning"]
"""Tuning rows choose among the variants of an attack; only test rows are reported."""


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
    """One attack on one message, by one metric. NaN means not applicable (null in the file); `reason` says why."""

    task: str
    setting: Mapping[str, Scalar]
    """What else varies in the campaign, by dotted key, as in `{"federation.batch_size": 4}`; `vary` is the name of a
    combination. Seed, task, attack and defense have places of their own."""
    federation: str
    """The folder of the federation below the run's `recordings`; empty where the run has only one."""
    split: Split
    algorithm: str
    """The attack's registered name."""
    attack: str
    """The attack's label: its name, with what tells its variants apart, and `-2`, `-3`, ... where it comes again."""
    defense: str
    client: Who
    round: int
    seed: int
    metric: str
    value: float
    """Mean over the samples."""
    baseline: float
    """The same for the prior: the best constant guess without the update."""
    no_gradient: float
    """The same for public examples drawn at random: a natural guess without the update."""
    certifiable: bool
    """Whether the attack had a test that its guess could have passed."""
    certified: bool
    """Whether the attack proved its guess; see `Reconstruction.certificate`."""
    certificate: str | None
    """The test that the guess passed, in words; None: not certified."""
    trouble: str | None
    """The likeliest cause, in a word, where the attacker can tell that its guess does not fit; see `Diagnosis`."""
    diagnosis: str | None
    """The same in a sentence: what was seen, and what to do about it."""
    unit: str
    higher_is_better: bool
    """Better for the attacker: more leakage."""
    reason: str | None
    applicable: bool
    """False where the metric cannot judge what the attack guesses, or such data. Where it can and there is no figure,
    the attack failed."""
    seconds: float
    """What the attack took, on one thread; the same for every metric of a reconstruction."""
    best: float
    """The sample that leaked most."""
    worst: float
    """The sample that leaked least."""
    per_sample: tuple[float, ...]
    blind_per_sample: tuple[float, ...]
    """For each sample the better, for the attacker, of the two guesses without the update; NaN where there is none."""
    samples: int

    def facts(self) -> dict[str, Any]:
        """Plain data that JSON can hold: a figure that is not finite becomes null."""
        return {key: finite_or_null(value) for key, value in asdict(self).items()}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "Row":
        """The row that `facts` was made from; raises `KeyError` or `TypeError` where they are no row's."""
        _check(facts)
        values = {name: facts[name] for name in KINDS}
        for key in FIGURES:
            values[key] = figure(values[key])
        for key in ("per_sample", "blind_per_sample"):
            values[key] = tuple(figure(value) for value in values[key])
        return cls(**values)


@runtime_checkable
class Measure(Protocol):
    """What a row needs to know of its metric."""

    name: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]


FIGURES = ("value", "baseline", "no_gradient", "best", "worst")
"""The fields of a row that may be NaN."""


KINDS = {
    **dict.fromkeys(("task", "federation", "split", "algorithm", "attack", "defense", "metric", "unit"), TEXT),
    **dict.fromkeys(("certifiable", "certified", "higher_is_better", "applicable"), FLAG),
    **dict.fromkeys(("round", "seed", "samples"), WHOLE),
    **dict.fromkeys(FIGURES, FIGURE),
    **dict.fromkeys(("per_sample", "blind_per_sample"), (list, tuple)),
    "setting": (dict,),
    "client": (int, str),
    **dict.fromkeys(("certificate", "trouble", "diagnosis", "reason"), WORDS),
    "seconds": NUMBER,
}
"""What each field of a row is in the file."""


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
    client: Who
    round: int
    seed: int

    def row(self, score: Score, *, seconds: float, samples: int, said: Remarks = SILENT) -> Row:
        """The row of one score."""
        return Row(
            **asdict(self),
            metric=score.metric,
            value=score.value,
            baseline=score.baseline,
            no_gradient=score.no_gradient,
            certified=said.certificate is not None,
            **asdict(said),
            unit=score.unit,
            higher_is_better=score.higher_is_better,
            reason=score.reason if score.reason or math.isfinite(score.value) else f"the value is {score.value}",
            applicable=score.applicable,
            seconds=seconds,
            best=score.best,
            worst=score.worst,
            per_sample=score.per_sample,
            blind_per_sample=score.blind_per_sample,
            samples=samples,
        )

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


def _check(facts: Mapping[str, Any]) -> None:
    check_kinds(facts, KINDS)
    check_setting(facts["setting"])
    check_choice(facts, "split", ("test", "tuning"))
    check_folders(facts, ("federation", "defense"))
    for name in ("per_sample", "blind_per_sample"):
        check_figures(facts, name)
    if isinstance(facts["client"], str):
        check_choice(facts, "client", (AGGREGATE,))
    own, blind = len(facts["per_sample"]), len(facts["blind_per_sample"])
    if own != blind:
        raise TypeError(f"blind_per_sample: expected {own} figures as in per_sample, got {blind}")


def finite_or_null(value: Any) -> Any:
    """Plain data with null for figures that are not finite, which JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple | list):
        return [finite_or_null(item) for item in value]
    return value


def figure(value: float | None) -> float:
    """NaN for null."""
    return math.nan if value is None else float(value)
