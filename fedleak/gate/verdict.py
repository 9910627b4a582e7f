"""What the gate found: each rule in each group that it is about, what a baseline says, and the exit status."""

from dataclasses import dataclass
from pathlib import Path

from fedleak.gate.measurement import Measurement
from fedleak.gate.policy import Policy, Rule
from fedleak.statistics.comparison import Comparison


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
    regressed: bool
    """Whether it leaks more, beyond noise."""
    measurement: Measurement
    picture: Picture | None = None


@dataclass(frozen=True, kw_only=True)
class BaselineVerdict:
    """The run against an older one."""

    old: Path
    alpha: float
    changes: tuple[Change, ...]
    new_groups: int
    """Groups that have a figure now and none in the older run: not compared."""
    undecided: int
    """Groups with too few messages for a test."""

    @property
    def problem(self) -> str:
        """Why the comparison shows nothing; empty where it shows something."""
        if self.undecided < len(self.changes):
            return ""
        return f"no group has enough messages for a test against {self.old}; run more clients, rounds or seeds"

    @property
    def regressions(self) -> tuple[Change, ...]:
        """The groups that leak more, beyond noise."""
        return tuple(change for change in self.changes if change.regressed)


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
        regressed = self.baseline is not None and bool(self.baseline.regressions)
        return not self.problems and not regressed and all(rule.passed for rule in self.rules)

    @property
    def exit_status(self) -> int:
        """0 or 1; what is wrong with the input is an error, and 2."""
        return 0 if self.passed else 1
