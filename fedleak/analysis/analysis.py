"""Analysis of a run: made once, and read by the terminal, the report, the gate, `compare` and `advise` alike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from fedleak.analysis.bounds import Bound, bounds_of
from fedleak.analysis.conditions import Condition, Tried, defended_in, is_diagnostic, told_apart
from fedleak.analysis.defenses import DefenseResult, defense_results
from fedleak.analysis.evidence import (
    Diagnosed,
    Evidence,
    comparisons_of,
    comparisons_of_chosen,
    diagnosed,
    example_of,
    references_of,
)
from fedleak.analysis.judgement import kind_of
from fedleak.analysis.singleton_bounds import SingletonBound, singleton_bounds
from fedleak.analysis.strongest import attackers, headline
from fedleak.analysis.untested import Gap, failures_of, idle_metrics, untested
from fedleak.experiment.campaign import Campaign
from fedleak.results.dp_row import DPRow
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.runs.reading import FinishedRun
from fedleak.statistics.group import Group, Variant, group_rows
from fedleak.statistics.paired_tests import Comparison
from fedleak.statistics.summary import Summary, summarize


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What a run shows; each property is computed once, when it is first asked for."""

    campaign: Campaign
    rows: tuple[Row, ...]
    """All of them in plan order, tuning rows too."""
    federations: tuple[FederationRow, ...] = ()
    unfinished: int = 0
    """Cells that were planned and have no result."""
    audits: tuple[DPRow, ...] = ()
    """See `FinishedRun.audits`."""

    @classmethod
    def of(cls, run: FinishedRun) -> "Analysis":
        """The analysis of a run that was read back."""
        return cls(
            campaign=run.campaign,
            rows=run.rows,
            federations=run.federations,
            unfinished=run.unfinished,
            audits=run.audits,
        )

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """One for each group of test rows."""
        return tuple(summarize(self.rows))

    @cached_property
    def test_rows(self) -> tuple[Row, ...]:
        """The rows that are reported."""
        return tuple(row for row in self.rows if row.split == "test")

    @cached_property
    def groups(self) -> dict[Group, list[Row]]:
        """The test rows of each group."""
        return group_rows(self.test_rows)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of the test rows, in their order."""
        return tuple(dict.fromkeys(summary.group.metric for summary in self.summaries))

    @cached_property
    def image_metric(self) -> str | None:
        """The first metric on images that has a figure: the one that the run is told by."""
        return headline(attackers(self.summaries) or self.summaries, "inputs")

    @cached_property
    def main_metric(self) -> str | None:
        """The metric on images, else the first of all; None where nothing was attacked."""
        return self.image_metric or next(iter(self.metrics), None)

    @cached_property
    def references(self) -> dict[Condition, str]:
        """What the defenses of each condition are compared with."""
        return references_of(self.test_rows, self.defended)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The paired tests of the defenses."""
        compared = comparisons_of_chosen if self.campaign.only_chosen else comparisons_of
        return tuple(compared(self.test_rows, self.references))

    @cached_property
    def defended(self) -> dict[Tried, bool]:
        """Each defense where it was tried, and whether there is anything in its chain."""
        return defended_in(self.campaign)

    @cached_property
    def unaware(self) -> tuple[str, ...]:
        """The defenses on which no attacker who knows them has a figure, but for such as were starved.

        By the main metric, or by another of its goal: what guesses labels may be judged by other metrics of hidden
        columns than what guesses pixels.
        """
        main = self.main_metric
        left = [] if main is None else [one for one in self.defenses(main) if not one.tested]
        if main is None or not left:
            return ()
        alike = [metric for metric in self.metrics if kind_of(metric) == kind_of(main)]
        results = [one for metric in alike for one in self.defenses(metric)]
        tested = {(one.condition, one.defense) for one in results if one.tested}
        return tuple(dict.fromkeys(one.defense for one in left if (one.condition, one.defense) not in tested))

    @cached_property
    def evidence(self) -> Evidence:
        """What the verdict is drawn from."""
        return Evidence(
            summaries=self.summaries,
            comparisons=self.comparisons,
            defended=self.defended,
            adapted=frozenset(tried[1] for tried, defended in self.defended.items() if defended).difference(
                self.unaware
            ),
            diagnostic=is_diagnostic(self.campaign),
            example=example_of(self.campaign),
            told_apart=told_apart(point.experiment for point in self.campaign.points),
        )

    def defenses(self, metric: str) -> tuple[DefenseResult, ...]:
        """The result of each defense under each condition, by one metric."""
        if metric not in self._defenses:
            self._defenses[metric] = tuple(
                replace(one, audited=self._audited.get((one.condition, one.defense)))
                for one in defense_results(
                    metric, self.campaign, self.summaries, self.rows, self.federations, self.bounds
                )
            )
        return self._defenses[metric]

    @cached_property
    def _audited(self) -> dict[Tried, DPRow]:
        return {(Condition.of(one.task, one.setting), one.defense): one for one in self.audits}

    @cached_property
    def _defenses(self) -> dict[str, tuple[DefenseResult, ...]]:
        return {}

    @cached_property
    def bounds(self) -> tuple[Bound, ...]:
        """What attacks did beside the most that the guarantees allow."""
        return tuple(bounds_of(self.rows, self.campaign))

    @cached_property
    def singleton_bounds(self) -> tuple[SingletonBound, ...]:
        """What readouts of an imprint gave back beside the most that chance leaves to be read."""
        return tuple(singleton_bounds(self.rows, self.campaign))

    @cached_property
    def diagnoses(self) -> Mapping[Variant, list[Diagnosed]]:
        """Why guesses do not fit their updates, for each attack on each kind of message."""
        return diagnosed(self.summaries)

    @cached_property
    def failures(self) -> Mapping[str, int]:
        """Why attacked messages lack a figure, counted."""
        return failures_of(self.test_rows)

    @cached_property
    def idle_metrics(self) -> Mapping[str, str]:
        """Metrics that no attack gives anything to, and why."""
        return idle_metrics(self.campaign)

    @cached_property
    def untested(self) -> tuple[Gap, ...]:
        """What was not tried, the gravest first."""
        return tuple(untested(self.campaign, self.summaries, self.failures, self.unaware, unfinished=self.unfinished))
