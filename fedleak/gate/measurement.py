"""What was measured for one figure of a rule, group by group."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedleak.gate.rule import Baseline
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
    gap: str = ""
    """How many messages could have had one and have none, as a clause; empty where all have one."""
    seeds: int
    failures: Mapping[str, int] = field(default_factory=dict)
    """Why messages have no figure, counted."""
    applicable: bool = True
    """False where there is no figure because the metric cannot judge such guesses, or such data."""
    problem: str = ""
    """Why the figure counts for nothing, whatever it is: a crash, an evaluation that came to nothing. A sentence."""
    certifiable: int | None = None
    """Messages where the attack had a test that could have proved its guess; None where that is not the question."""
    rows: tuple[Row, ...] = ()
    """What it was made from."""
