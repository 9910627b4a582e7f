"""Verdict of the gate: each rule in each group that it is about, what a baseline says, and the exit status."""

from dataclasses import dataclass
from pathlib import Path

from fedleak.gate.measurement import Measurement
from fedleak.gate.policy import Policy, Rule
from fedleak.statistics.paired_tests import Comparison


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Where the worst of a group can be looked at; without a file, why not."""

    path: Path | None = None
    reason: str = ""

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else f"none: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule in one group."""

    measurement: Measurement
    bound: float
    problem: str
    """Why the rule is broken here, as a clause; empty where it is kept."""
    notes: tuple[str, ...] = ()
    """What to know of the figure, kept or not: a clause each."""
    alone: bool = False
    """Whether the figure decided where an interval should have: there is none."""
    picture: Picture | None = None
    """None where the rule is kept: nothing to look at."""

    @property
    def passed(self) -> bool:
        """Whether the rule is kept in this group."""
        return not self.problem


@dataclass(frozen=True, kw_only=True)
class RuleVerdict:
    """One rule in all groups that it selects, the broken ones first."""

    rule: Rule
    findings: tuple[Finding, ...]
    problem: str = ""
    """Why the rule fails whatever the figures: it found nothing to judge."""
    notes: tuple[str, ...] = ()
    """Where it shows less than it seems to: a clause each."""

    @property
    def passed(self) -> bool:
        """Whether the rule is kept everywhere."""
        return not self.problem and not self.broken

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The groups that break it."""
        return tuple(finding for finding in self.findings if not finding.passed)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One group against the same group of the baseline."""

    comparison: Comparison
    unit: str
    old: float
    """Mean over the messages that both runs have."""
    new: float
    problem: str
    """Why it fails, as a clause: it leaks more, beyond noise or, untested, beyond the metric's margin; empty where it
    does not."""
    tested: bool
    """Whether there were enough pairs for a test that can show anything."""
    measurement: Measurement
    picture: Picture | None = None

    @property
    def regressed(self) -> bool:
        """Whether it fails."""
        return bool(self.problem)


@dataclass(frozen=True, kw_only=True)
class NewFigures:
    """Messages of one group that had no figure in the baseline and have one now: nothing to compare with."""

    measurement: Measurement
    metric: str
    leaked: int
    """Samples that leaked; see `Summary.leaked`."""
    picture: Picture | None = None


@dataclass(frozen=True, kw_only=True)
class BaselineVerdict:
    """The run against an older one."""

    old: Path
    alpha: float
    changes: tuple[Change, ...]
    """The groups that changed, those that fail first."""
    unchanged: int = 0
    """Groups in which each message that both runs have has the figure that it had."""
    new_groups: int
    """Groups that the older run does not have: not compared."""
    new_figures: tuple[NewFigures, ...] = ()
    """The ones that leaked first."""
    differences: tuple[str, ...] = ()
    """What makes the two runs less comparable, a clause each: other settings, groups and figures that are gone."""
    allow_changes: bool = False
    """Whether those are only told."""

    @property
    def undecided(self) -> int:
        """Groups with too few messages for a test."""
        return sum(not change.tested for change in self.changes)

    @property
    def problem(self) -> str:
        """Why the comparison shows nothing; empty where it shows something."""
        if self.unchanged or self.undecided < len(self.changes):
            return ""
        return f"no group has enough messages for a test against {self.old}; run more clients, rounds or seeds"

    @property
    def regressions(self) -> tuple[Change, ...]:
        """The groups that fail."""
        return tuple(change for change in self.changes if change.regressed)

    @property
    def leaks(self) -> tuple[NewFigures, ...]:
        """The new figures with samples that leaked."""
        return tuple(figures for figures in self.new_figures if figures.leaked)

    @property
    def passed(self) -> bool:
        """Whether nothing leaks more than before as far as was seen, and all of it was seen."""
        comparable = self.allow_changes or not self.differences
        return comparable and not (self.problem or self.regressions or self.leaks)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All that the gate says of a run."""

    run: Path
    policy: Policy | None
    rules: tuple[RuleVerdict, ...]
    baseline: BaselineVerdict | None
    problems: tuple[str, ...]
    """What makes a run fail whatever the rules say, a sentence each."""
    failed_messages: tuple[str, ...]
    """Messages that no metric has a figure for, counted, with the reason."""

    @property
    def passed(self) -> bool:
        """Whether everything holds."""
        compared = self.baseline is None or self.baseline.passed
        return not self.problems and compared and all(rule.passed for rule in self.rules)

    @property
    def exit_status(self) -> int:
        """0 or 1; what is wrong with the input is an error, and 2."""
        return 0 if self.passed else 1
