"""The rows of `results.jsonl`: one figure each, with everything needed to read it alone."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from fedleak.errors import RecordingError
from fedleak.metric import Metric
from fedleak.score import Score
from fedleak.tensorfile import write_atomically

AGGREGATE: Literal["aggregate"] = "aggregate"
Who = int | Literal["aggregate"]
"""A client's number, or the sum that secure aggregation revealed."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attack on one message, by one metric. NaN means not applicable (null in the file); `reason` says why."""

    attack: str
    """The attack's label: its name, with `-2`, `-3`, ... where an experiment uses it more than once."""
    defense: str
    client: Who
    round: int
    seed: int
    metric: str
    value: float
    """Mean over the samples."""
    baseline: float
    """The same for the prior, which guesses without the update."""
    unit: str
    higher_is_better: bool
    """Better for the attacker: more leakage."""
    reason: str | None
    seconds: float
    """What the attack took, on one thread; the same for every metric of a reconstruction."""
    best: float
    """The sample that leaked most."""
    worst: float
    """The sample that leaked least."""
    per_sample: tuple[float, ...]
    samples: int

    def facts(self) -> dict[str, Any]:
        """Plain data that JSON can hold: a figure that is not finite becomes null."""
        return {key: finite_or_null(value) for key, value in asdict(self).items()}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "Row":
        """The row that `facts` was made from."""
        values = {field.name: facts[field.name] for field in fields(cls)}
        for key in ("value", "baseline", "best", "worst"):
            values[key] = figure(values[key])
        return cls(**{**values, "per_sample": tuple(figure(value) for value in values["per_sample"])})


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the rows of one reconstruction have in common."""

    attack: str
    defense: str
    client: Who
    round: int
    seed: int

    def row(self, score: Score, *, seconds: float, samples: int) -> Row:
        """The row of one score."""
        return Row(
            **asdict(self),
            metric=score.metric,
            value=score.value,
            baseline=score.baseline,
            unit=score.unit,
            higher_is_better=score.higher_is_better,
            reason=score.reason if score.reason or math.isfinite(score.value) else f"the value is {score.value}",
            seconds=seconds,
            best=score.best,
            worst=score.worst,
            per_sample=score.per_sample,
            samples=samples,
        )

    def failed(self, metrics: Iterable[Metric], reason: str, *, seconds: float = 0.0) -> list[Row]:
        """A row without a figure for each metric, and why."""
        return [
            self.row(not_scored(metric, reason), seconds=seconds, samples=0)  # no sample was looked at
            for metric in metrics
        ]


def not_scored(metric: Metric, reason: str) -> Score:
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
    try:
        return [Row.from_facts(json.loads(line)) for line in path.read_text().splitlines()]
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}; is it a run folder?") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is damaged ({error}); run the experiment again") from error


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
