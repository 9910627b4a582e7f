"""Leak over queries: how many answers an attacker needs under each defense, and how many days of patience these are."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.conditions import Condition, chains_in, condition_of, condition_of_point
from fedleak.contracts.chain import Chain
from fedleak.contracts.served import Served
from fedleak.experiment.access import looks_at
from fedleak.experiment.campaign import Campaign, distinct
from fedleak.experiment.naming import labeled_attacks, title_of
from fedleak.formatting import DASH, counted, number
from fedleak.report.convergence import SERIES, Lines, lines_of
from fedleak.settings.adversary import AdversarySettings
from fedleak.statistics.summary import Summary

METRIC = "recognised"
BUDGET = ("adversary.queries", "adversary.patience")
"""The settings that say how much may be asked."""
FALLEN = 0.5
"""The share of the classes asked about that are recognised where a defense has fallen."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One attack under one defense with one budget."""

    attack: str
    queries: int
    days: float
    """Of patience; 0 where none was said."""
    answers: float
    """Of the queries, how many the defense lets through."""
    summary: Summary


@dataclass(frozen=True, kw_only=True)
class Line:
    """One attack under one defense, over its budgets."""

    defense: str
    attack: str
    shares: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LeakOverQueries:
    """One task in one setting but for the budget."""

    where: str
    charts: tuple[Lines, ...]
    budgets: tuple[str, ...]
    lines: tuple[Line, ...]
    falls: tuple[str, ...]
    """For each defense, from how many answers on it has fallen and how long these take."""


def leak_over_queries(campaign: Campaign, summaries: Iterable[Summary]) -> list[LeakOverQueries]:
    """For each setting in which budgets vary, or a defense limits answers; by the share of classes recognised."""
    chains, adversaries = chains_in(campaign), _adversaries(campaign)
    asking = _asking(campaign)
    families: dict[Condition, list[Measured]] = {}
    for summary in summaries:
        if summary.group.metric == METRIC and summary.group.attack in asking and not math.isnan(summary.mean):
            where = condition_of(summary.group)
            chain, attack = chains[where, summary.group.defense], asking[summary.group.attack]
            measured = _measured(summary, attack, adversaries[where], chain)
            families.setdefault(_without_budget(where), []).append(measured)
    by_defense = {(_without_budget(where), name): chain for (where, name), chain in chains.items()}
    return [
        _family(where, own, {name: chain for (other, name), chain in by_defense.items() if other == where})
        for where, own in families.items()
        if len(_budgets(own)) > 1 or any(one.answers < one.queries for one in own)
    ]


def _asking(campaign: Campaign) -> dict[str, str]:
    """The attacks on answers by label; those that take no notice of defenses by the name of the one within too."""
    tables = {label: table for one in distinct(campaign) for label, table in labeled_attacks(one).items()}
    return {label: title_of(label, table) for label, table in tables.items() if looks_at(table) is Served}


def _adversaries(campaign: Campaign) -> dict[Condition, AdversarySettings]:
    return {condition_of_point(point): point.experiment.adversary for point in campaign.points}


def _without_budget(where: Condition) -> Condition:
    return Condition(task=where.task, setting=tuple((key, value) for key, value in where.setting if key not in BUDGET))


def _measured(summary: Summary, attack: str, adversary: AdversarySettings, chain: Chain) -> Measured:
    queries, days = adversary.queries or 0, adversary.patience or 0.0
    answers = float(min(queries, chain.most_answers(days)))
    return Measured(attack=attack, queries=queries, days=days, answers=answers, summary=summary)


def _budgets(measured: Iterable[Measured]) -> list[tuple[int, float]]:
    return sorted({(one.queries, one.days) for one in measured})


def _family(where: Condition, measured: Sequence[Measured], chains: Mapping[str, Chain]) -> LeakOverQueries:
    budgets = _budgets(measured)
    several_days = len({days for _, days in budgets}) > 1
    words = [f"{queries:,} queries{f', {days:g} days' if several_days else ''}" for queries, days in budgets]
    lines = []
    for name in dict.fromkeys(one.summary.group.defense for one in measured):
        for attack in dict.fromkeys(one.attack for one in measured):
            own = {(m.queries, m.days): m.summary for m in measured if _is_of(m, name, attack)}
            if own:
                lines.append(Line(defense=name, attack=attack, shares=tuple(_share(own.get(one)) for one in budgets)))
    return LeakOverQueries(
        where=where.words,
        charts=tuple(_charts(where.words, measured)),
        budgets=tuple(words),
        lines=tuple(lines),
        falls=tuple(
            fall(name, chains[name], [m for m in measured if m.summary.group.defense == name])
            for name in dict.fromkeys(one.summary.group.defense for one in measured)
        ),
    )


def _is_of(measured: Measured, defense: str, attack: str) -> bool:
    return (measured.summary.group.defense, measured.attack) == (defense, attack)


def _share(summary: Summary | None) -> str:
    if summary is None:
        return DASH
    low, high = summary.interval.low, summary.interval.high
    return number(summary.mean) + ("" if math.isnan(low) else f" ({number(low)} to {number(high)})")


def _charts(where: str, measured: Sequence[Measured]) -> Iterator[Lines]:
    """For each attack and patience a line for each defense, as many in a chart as can be told apart."""
    several = len({one.days for one in measured}) > 1
    for attack in dict.fromkeys(one.attack for one in measured):
        for days in sorted({one.days for one in measured}):
            own = [one for one in measured if one.attack == attack and one.days == days]
            names = list(dict.fromkeys(one.summary.group.defense for one in own))
            title = f"{where}{f', {days:g} days' if several else ''}: share of classes recognised by {attack}"
            for first in range(0, len(names), SERIES):
                points = {
                    name: [(float(m.queries), m.summary.mean) for m in own if _is_of(m, name, attack)]
                    for name in names[first : first + SERIES]
                }
                chart = lines_of(title, "queries", points, share=True)
                if chart is not None and any(len(line) > 1 for line in points.values()):
                    yield chart


def fall(defense: str, chain: Chain, measured: Sequence[Measured]) -> str:
    """From how many answers on at least half of the classes are recognised by the strongest of the attacks.

    In days these are the answers needed divided by those of a day or, where several patiences were tried, the least
    that was measured to be enough.
    """
    best: dict[float, Measured] = {}
    for one in measured:
        if one.answers not in best or one.summary.mean > best[one.answers].summary.mean:
            best[one.answers] = one
    enough = _from_there_on(best)
    most = max(best)
    if enough is None:
        reached = best[most].summary.mean
        cap = "that it lets through" if most < max(one.queries for one in measured) else "that were asked for"
        return (
            f"“{defense}” holds as far as it was tried: {number(reached)} of the classes at {most:,.0f} answers, the "
            f"most {cap}{_limit_words(chain)}."
        )
    attack = best[enough].attack
    tried = "the fewest that were tried" if enough == min(best) and len(best) > 1 else ""
    first = f"“{defense}” falls at {enough:,.0f} answers{f', {tried},' if tried else ''} to {attack}"
    return f"{first}{_days(enough, chain, measured)}."


def _from_there_on(best: Mapping[float, Measured]) -> float | None:
    """The fewest answers from where on every figure is past the mark."""
    enough = None
    for answers in sorted(best, reverse=True):
        if best[answers].summary.mean < FALLEN:
            break
        enough = answers
    return enough


def _days(answers: float, chain: Chain, measured: Sequence[Measured]) -> str:
    daily = chain.most_answers(1.0)
    if math.isinf(daily):
        return ""
    if chain.most_answers(2.0) == daily:
        return f", within the {daily:,.0f} that it lets through in all: patience buys the attacker no more"
    patiences = {one.days for one in measured}
    if len(patiences) > 1:
        least = min(one.days for one in measured if one.answers >= answers)
        return f", after {least:g} days of patience as measured"
    return f", after {counted(math.ceil(answers / daily), 'day')} of patience: {answers:,.0f} at {daily:,.0f} a day"


def _limit_words(chain: Chain) -> str:
    daily = chain.most_answers(1.0)
    if math.isinf(daily):
        return ""
    return " in all" if chain.most_answers(2.0) == daily else f" at {daily:,.0f} a day"
