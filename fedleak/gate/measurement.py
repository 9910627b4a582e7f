"""What was measured for one figure of a rule, group by group."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedleak.gate.language import Baseline
from fedleak.gate.subject import Subject
from fedleak.results import Row
from fedleak.statistics.intervals import Interval


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A figure of one group, with what it must be read beside. NaN where nothing was measured."""

    subject: Subject
    value: float
    unit: str
    interval: Interval | None
    """None for a count or an extreme: it says what was seen, and no more."""
    baselines: Mapping[Baseline, float] = field(default_factory=dict)
    messages: int
    """That have a figure; for a federation's figure 0."""
    seeds: int
    failures: Mapping[str, int] = field(default_factory=dict)
    """Why messages have no figure, counted."""
    rows: tuple[Row, ...] = ()
    """What it was made from."""
