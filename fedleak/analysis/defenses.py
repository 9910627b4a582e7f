"""Results of each defense: what leaked to whom, at what cost in accuracy, and what the chain proves."""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from fedleak.accounting.guarantee import Proven, Unproven
from fedleak.analysis.bounds import Bound, Check
from fedleak.analysis.conditions import (
    Condition,
    Tried,
    chains_in,
    condition_of,
    condition_of_point,
    condition_of_row,
    conditions_of,
)
from fedleak.analysis.control import gains_of
from fedleak.analysis.guarantees import guarantees_of, whole_guarantees_of
from fedleak.analysis.operating_point import Figure, OperatingPoint, accuracy_of, cost_of, finished, trivial_of
from fedleak.analysis.refusals import refused_in
from fedleak.analysis.strongest import attackers, strongest
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.chaining import only_watches
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import Experiment
from fedleak.experiment.naming import labeled_attacks
from fedleak.results.dp_row import DPRow
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.statistics.group import Group, Variant
from fedleak.statistics.paired_tests import Comparison
from fedleak.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True)
class DefenseResult:
    """One defense under one condition, by one metric; under secure aggregation the sum counts as single updates do."""

    condition: Condition
    defense: str
    chain: Chain
    attackers: tuple[Summary, ...]
    """Every attack on it that uses the update and has a figure, all variants among them."""
    informed: tuple[Summary, ...]
    """Every attack that knows it, with a figure or without, but for those that were starved of public data."""
    plain: Summary | None
    """What the strongest attacker got who takes no notice of defenses, or has no way to."""
    adaptive: Summary | None
    """What the strongest attacker got who knows the defenses; None where none was tried, or none applied."""
    knowing: Comparison | None
    """What knowing them was worth to the strongest who has a control: against that, on the same messages.

    Where tuning seeds chose among variants, each of the two has the options that they chose for it.
    """
    accuracy: Figure
    """Where it no longer rose, or else after the last round that was evaluated."""
    broken: int
    """Federations that did not get there."""
    trivial: Figure
    """What always naming the class that is commonest among the clients' examples would have there."""
    refused: bool = False
    """Whether clients refused all that a server that cheats sent, so that nothing was left to attack."""
    operating_point: OperatingPoint
    """Whether leak and accuracy are of one setting, and when each was measured."""
    sent: Figure
    """Bytes of a client's answers in a recorded round, as Flower counts them."""
    encoded: Figure
    """Bytes that its update would take in the encoding of the defenses."""
    seconds: Figure
    """Of training and defenses, for a client in a recorded round."""
    memory: Figure
    """Bytes that these take at the peak."""
    guarantee: Proven | Unproven | None
    """What the chain proves over the recorded rounds, or why nothing; None without a chain."""
    whole: Proven | Unproven | None
    """The same over the whole run, with rounds after the recorded ones."""
    bound: Check | None
    """The strongest attacker's successes beside the most that the guarantee allows."""
    audited: DPRow | None = None
    """What canaries show of the chain, where the run was audited by them."""

    @cached_property
    def strongest(self) -> Summary | None:
        """Of all attackers, those who know the defense and those who do not."""
        return strongest(self.attackers)

    @property
    def defended(self) -> bool:
        """Whether there is anything in its chain."""
        return bool(self.chain)

    @property
    def tested(self) -> bool:
        """Whether an attacker who knows the defense has a figure, and more than one who was starved; or none needs."""
        return all(map(only_watches, self.chain)) or self.refused or any(one.messages for one in self.informed)


def defense_results(
    metric: str,
    campaign: Campaign,
    summaries: Iterable[Summary],
    rows: Iterable[Row],
    federations: Sequence[FederationRow],
    bounds: Iterable[Bound],
) -> list[DefenseResult]:
    """The defenses of a run in the order of the results, by one metric; the conditions one after the other."""
    of_metric = [one for one in summaries if one.group.metric == metric]
    tuned = {one.group.variant for one in of_metric if one.tuned}
    shared = _Shared.of(campaign, [row for row in rows if row.metric == metric], bounds, tuned, federations)
    return [
        _result(tried, [one for one in of_metric if _tried(one) == tried], shared, federations)
        for condition in conditions_of(of_metric)
        for tried in dict.fromkeys(_tried(one) for one in of_metric if condition_of(one.group) == condition)
    ]


def by_condition(results: Sequence[DefenseResult]) -> dict[Condition, list[DefenseResult]]:
    """The results of each condition."""
    found: dict[Condition, list[DefenseResult]] = {}
    for one in results:
        found.setdefault(one.condition, []).append(one)
    return found


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What of a run does not depend on the defense."""

    attacks: Mapping[str, Attack]
    """By the label of their rows."""
    chains: Mapping[Tried, Chain]
    experiments: Mapping[Condition, Experiment]
    """One of those of each condition, whose seeds are all that tells them apart."""
    evaluated: Mapping[Condition, frozenset[int]]
    """The seeds under which federations are to be trained to the end."""
    recorded: Mapping[Tried, Proven | Unproven]
    whole: Mapping[Tried, Proven | Unproven]
    checks: Mapping[Group, Check]
    gains: Mapping[Group, Comparison]
    """What knowing the defense was worth, for each attack that has a control."""
    refused: Set[Tried]
    """Where clients refused all that the server sent."""

    @classmethod
    def of(
        cls,
        campaign: Campaign,
        rows: Sequence[Row],
        bounds: Iterable[Bound],
        tuned: Set[Variant],
        federations: Sequence[FederationRow],
    ) -> "_Shared":
        return cls(
            attacks=_attacks(campaign),
            chains=chains_in(campaign),
            experiments={condition_of_point(point): point.experiment for point in campaign.points},
            evaluated=_evaluated(campaign),
            recorded=guarantees_of(campaign),
            whole=whole_guarantees_of(campaign),
            checks={bound.group: bound.check for bound in bounds},
            gains=gains_of(campaign, rows, tuned),
            refused=refused_in(rows, federations),
        )


def _evaluated(campaign: Campaign) -> dict[Condition, frozenset[int]]:
    found: dict[Condition, set[int]] = {}
    for point in campaign.points:
        if point.evaluated:
            found.setdefault(condition_of_point(point), set()).add(point.experiment.seed)
    return {condition: frozenset(seeds) for condition, seeds in found.items()}


def _attacks(campaign: Campaign) -> dict[str, Attack]:
    """Every attack by the label of its rows."""
    return {
        label: attacks.from_table(table)
        for point in campaign.points
        for label, table in labeled_attacks(point.experiment).items()
    }


def _result(
    tried: Tried, summaries: Sequence[Summary], shared: _Shared, federations: Iterable[FederationRow]
) -> DefenseResult:
    chain = shared.chains.get(tried, Chain())
    measured = [one for one in attackers(summaries) if not math.isnan(one.mean)]
    knowing = [one for one in attackers(summaries) if shared.attacks[one.group.attack].accounts_for(chain)]
    adaptive = [one for one in measured if one in knowing]
    controlled = strongest([one for one in adaptive if one.group in shared.gains])
    bounded = strongest([one for one in measured if one.group in shared.checks])
    rounds = [row for row in federations if _is_of(row, tried)]
    return DefenseResult(
        condition=tried[0],
        defense=tried[1],
        chain=chain,
        attackers=tuple(measured),
        informed=tuple(one for one in (knowing if chain else attackers(summaries)) if not _mute(one, chain)),
        plain=strongest([one for one in measured if one not in adaptive]),
        adaptive=strongest(adaptive),
        knowing=None if controlled is None else shared.gains[controlled.group],
        accuracy=accuracy_of(rounds),
        broken=len(shared.evaluated.get(tried[0], frozenset()) - finished(rounds, shared.experiments[tried[0]].rounds)),
        trivial=trivial_of(rounds),
        refused=tried in shared.refused,
        operating_point=OperatingPoint.of(shared.experiments[tried[0]], chain, rounds),
        sent=cost_of(rounds, lambda row: row.bytes_sent),
        encoded=cost_of(rounds, lambda row: row.bytes_encoded),
        seconds=cost_of(rounds, lambda row: row.client_seconds),
        memory=cost_of(rounds, lambda row: row.client_memory),
        guarantee=shared.recorded.get(tried),
        whole=shared.whole.get(tried),
        bound=None if bounded is None else shared.checks[bounded.group],
    )


def _mute(summary: Summary, chain: Chain) -> bool:
    """Whether the attack was starved of public data, or refused updates under masks, which are random numbers."""
    if not summary.messages:
        return chain.protocol is not None and summary.group.sender == "client"
    return summary.messages <= summary.diagnoses.get("starved", (0, ""))[0]


def _is_of(row: FederationRow, tried: Tried) -> bool:
    return row.split == "test" and (condition_of_row(row), row.defense) == tried


def _tried(summary: Summary) -> Tried:
    return condition_of(summary.group), summary.group.defense
