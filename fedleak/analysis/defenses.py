"""Where each defense of a run stands: what leaked to whom, with what it costs."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.analysis.bounds import Check, bounds_of, guarantees_of, whole_guarantees_of
from fedleak.analysis.evidence import Condition, condition_of, conditions_of
from fedleak.analysis.judgement import BLIND, more
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.comparison import PLAIN
from fedleak.experiment.labels import labelled_attacks
from fedleak.results.federation_row import FederationRow
from fedleak.runs.reading import FinishedRun
from fedleak.statistics.intervals import Interval, Units, of_mean
from fedleak.statistics.paired_tests import Comparison, compare_attacks
from fedleak.statistics.summary import Summary, summarise


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean over seeds with its interval; NaN where nothing was measured."""

    mean: float
    interval: Interval

    @classmethod
    def of(cls, values: Mapping[int, float]) -> "Figure":
        """Of one value for each seed."""
        known = {seed: value for seed, value in values.items() if math.isfinite(value)}
        mean = math.fsum(known.values()) / len(known) if known else math.nan
        return cls(mean=mean, interval=of_mean(Units.of(list(known.values()), list(known))))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One defense under one condition, by one metric; under secure aggregation the sum counts as single updates do."""

    condition: Condition
    defense: str
    defended: bool
    """Whether there is anything in its chain."""
    plain: Summary | None
    """What the strongest attacker got who takes no notice of defenses, or has no way to."""
    adaptive: Summary | None
    """What the strongest attacker got who knows the defenses; None where none was tried, or none applied."""
    knowing: Comparison | None
    """What knowing them was worth to the strongest who has a control: against that, on the same messages."""
    accuracy: Figure
    """After the last round that was evaluated."""
    sent: Figure
    """Bytes of a client's answers in a recorded round, as Flower counts them."""
    encoded: Figure
    """Bytes that its update would take in the encoding of the defenses."""
    seconds: Figure
    """Of training and defenses, for a client in a recorded round."""
    memory: Figure
    """Bytes that these take at the peak."""
    guarantee: Guarantee | Unproven | None
    """What the chain proves over the recorded rounds, or why it proves nothing; None without a chain."""
    whole: Guarantee | Unproven | None
    """The same over the whole run, rounds after the recorded ones included."""
    bound: Check | None
    """The strongest attacker's successes beside the most that the guarantee allows."""

    @property
    def strongest(self) -> Summary | None:
        """The more of both."""
        known = [one for one in (self.adaptive, self.plain) if one is not None]
        return max(known, key=_leak, default=None)

    @property
    def tested(self) -> bool:
        """Whether an attacker who knows the defense was tried; without a defense there is nothing to know."""
        return not self.defended or self.adaptive is not None


def standings(run: FinishedRun, metric: str) -> list[Standing]:
    """The defenses of a run in the order of the results, by one metric; the conditions one after the other."""
    summaries = [one for one in summarise(run.rows) if one.group.metric == metric]
    known, chains = _attacks(run.campaign), _chains(run.campaign)
    proven, whole = guarantees_of(run.campaign), whole_guarantees_of(run.campaign)
    checks = {bound.group: bound.check for bound in bounds_of(run.rows, run.campaign)}
    controls = {label: control for control, label in _controlled(run.campaign)}
    gains = compare_attacks([row for row in run.rows if row.metric == metric], controls)
    found = []
    for condition in conditions_of(summaries):
        own = [one for one in summaries if condition_of(one.group) == condition]
        for defense in dict.fromkeys(one.group.defense for one in own):
            mine = [one for one in own if one.group.defense == defense]
            chain = chains.get((condition, defense), Chain())
            knows = {one.group: known[one.group.attack].adapts_to(chain) for one in mine}
            pairs = {one.group: c for one in mine for c in gains if c.group == one.group and knows[one.group]}
            best = _strongest(one for one in mine if one.group in pairs)
            bounded = _strongest(one for one in mine if one.group in checks)
            rows = _rows(condition, defense, run.federations)
            found.append(
                Standing(
                    condition=condition,
                    defense=defense,
                    defended=bool(chain),
                    plain=_strongest(one for one in mine if not knows[one.group]),
                    adaptive=_strongest(one for one in mine if knows[one.group]),
                    knowing=None if best is None else pairs[best.group],
                    accuracy=_accuracy(rows),
                    sent=_cost(rows, lambda row: row.bytes_sent),
                    encoded=_cost(rows, lambda row: row.bytes_encoded),
                    seconds=_cost(rows, lambda row: row.client_seconds),
                    memory=_cost(rows, lambda row: row.client_memory),
                    guarantee=proven.get((condition, defense)),
                    whole=whole.get((condition, defense)),
                    bound=None if bounded is None else checks[bounded.group],
                )
            )
    return found


def _rows(condition: Condition, defense: str, federations: Iterable[FederationRow]) -> list[FederationRow]:
    """The rounds of a defense's federations."""
    return [
        row
        for row in federations
        if Condition(task=row.task, setting=tuple(sorted(row.setting.items()))) == condition
        and row.defense == defense
        and row.split == "test"
    ]


def _accuracy(rows: Iterable[FederationRow]) -> Figure:
    last: dict[int, FederationRow] = {}
    for row in rows:
        if not math.isnan(row.accuracy):
            last[row.seed] = max(last.get(row.seed, row), row, key=lambda one: one.round)
    accuracy = Figure.of({seed: row.accuracy for seed, row in last.items()})
    low, high = max(accuracy.interval.low, 0.0), min(accuracy.interval.high, 1.0)  # NaN stays NaN
    return replace(accuracy, interval=replace(accuracy.interval, low=low, high=high))


def _cost(rows: Iterable[FederationRow], cost: Callable[[FederationRow], float]) -> Figure:
    """The mean over a seed's recorded rounds."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if row.recorded and math.isfinite(cost(row)):
            found.setdefault(row.seed, []).append(cost(row))
    return Figure.of({seed: math.fsum(values) / len(values) for seed, values in found.items()})


def _attacks(campaign: Campaign) -> dict[str, Attack]:
    """Every attack by the label of its rows."""
    return {
        label: attacks.from_table(table)
        for point in campaign.points
        for label, table in labelled_attacks(point.experiment).items()
    }


def _chains(campaign: Campaign) -> dict[tuple[Condition, str], Chain]:
    """The chain of each defense where it was tried."""
    return {
        (Condition(task=point.experiment.task, setting=tuple(sorted(point.setting.items()))), name): chain
        for point in campaign.points
        for name, chain in point.experiment.build_chains().items()
    }


def _controlled(campaign: Campaign) -> Iterator[tuple[str, str]]:
    """The label of each plain attack with that of the attack which it is the control of."""
    for point in campaign.points:
        tables = labelled_attacks(point.experiment)
        for control, table in tables.items():
            same = [label for label, other in tables.items() if table["use"] == PLAIN and other == table["attack"]]
            yield from ((control, label) for label in same)


def _strongest(summaries: Iterable[Summary]) -> Summary | None:
    """The one that leaked most on average, of those that have a figure and use the update."""
    measured = [one for one in summaries if not math.isnan(one.mean) and one.group.algorithm not in BLIND]
    return max(measured, key=_leak, default=None)


def _leak(summary: Summary) -> float:
    return more(summary, summary.mean, 0.0)


def by_condition(found: Sequence[Standing]) -> dict[Condition, list[Standing]]:
    """The standings of each condition."""
    return {
        where: [one for one in found if one.condition == where] for where in dict.fromkeys(o.condition for o in found)
    }
