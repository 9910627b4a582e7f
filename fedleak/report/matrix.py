"""Result matrix: a table for each metric, a row for each defense, a column for each attack."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.conditions import Condition, condition_of, conditions_of
from fedleak.analysis.evidence import defense_words
from fedleak.analysis.judgement import Judgement, by_luck, hits, judge, kind_of, leakage, reached
from fedleak.formatting import counted, measured, number
from fedleak.goals.goals import GOALS
from fedleak.report.pictures import Pictures
from fedleak.report.strip import Strip, scale_of, strip_of
from fedleak.statistics.group import Group, installed, speaks
from fedleak.statistics.summary import Summary

SHADES = 5
"""Steps of the color, none to full."""
CELLS = 800
"""Cells with figures that a page shows at most; whole conditions are left out, and said to be."""
UNSHADED = (Judgement.TOO_FEW, Judgement.NO_GAIN, Judgement.MISSING, Judgement.BESIDE, Judgement.BLIND)
"""What says nothing of how much leaked."""
OPEN = 2
"""Conditions that are shown unfolded."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure with all that it must be read beside."""

    judgement: Judgement
    shade: int | None
    """Step of color by leakage; the two darkest where single samples leaked."""
    count: str
    """`2 of 4`: samples that leaked; the mean of a blind guess, or where there is nothing to count."""
    strip: Strip | None
    facts: tuple[tuple[str, str], ...]
    """Terms with their figures: mean, interval, blind guesses, oracles, worst case, proof."""
    reasons: tuple[str, ...]
    """Why messages have no figure."""
    pictures: Pictures | None
    variant: str
    """The attack's label where its column has another title."""
    tuned: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """The cells of one defense, in the order of the columns; None where there is no such cell."""

    title: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """One metric under one condition."""

    metric: str
    meaning: str
    attacks: tuple[str, ...]
    lines: tuple[Line, ...]
    absent: tuple[str, ...]
    """Attacks that have no figure under any defense, and why."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """All metrics under one condition."""

    title: str
    open: bool
    matrices: tuple[Matrix, ...]


def panels(summaries: Sequence[Summary], pictures: Mapping[Group, Pictures]) -> tuple[list[Panel], list[str]]:
    """The panels in the order of the results, and what is left out to keep the page small."""
    shown: list[Panel] = []
    left_out: list[str] = []
    room = CELLS
    for condition in conditions_of(summaries):
        summaries_there = [summary for summary in summaries if condition_of(summary.group) == condition]
        room -= len(summaries_there)
        if room < 0 and shown:
            left_out.append(condition.words)
        else:
            shown.append(_panel(condition, summaries_there, pictures, is_open=len(shown) < OPEN))
    return shown, left_out


def count_words(summary: Summary) -> str:
    """Counts lead; what a blind guess reaches is no finding, and a metric that is not installed has no threshold."""
    if judge(summary) in (Judgement.MISSING, Judgement.BESIDE, Judgement.BLIND) or math.isnan(summary.share):
        return measured(summary.mean, summary.unit)
    return f"{hits(summary)} of {len(summary.samples)}"


def facts(summary: Summary) -> Iterator[tuple[str, str]]:
    """Terms with their figures."""
    yield "mean", measured(summary.mean, summary.unit)
    low, high = summary.interval.low, summary.interval.high
    yield "95%", summary.interval.method if math.isnan(low) else f"{number(low)} to {number(high)}"
    yield "prior", number(summary.prior)
    yield "no access", number(summary.no_access)
    yield from _on_images(summary)
    if reached(summary) != hits(summary):
        sign = "≥" if summary.higher_is_better else "≤"
        yield f"{sign} {measured(summary.threshold, summary.unit)}", f"{reached(summary)} of {len(summary.samples)}"
    if not by_luck(summary):
        yield "worst case", number(summary.worst_case)
    yield "proof", _proof(summary)


def _on_images(summary: Summary) -> Iterator[tuple[str, str]]:
    """The guess that takes the labels from the update, and what guesses reach that only the truth can choose."""
    if not math.isnan(summary.class_mean):
        yield "class mean", number(summary.class_mean)
    if not math.isnan(summary.single_color):
        yield "oracle: color", number(summary.single_color)
    if not math.isnan(summary.nearest_public):
        yield "oracle: public", number(summary.nearest_public)


def shade(summary: Summary) -> int | None:
    """The step of color, from 0 to `SHADES - 1`; None where nothing can be said."""
    if judge(summary) in UNSHADED:
        return None
    return round(leakage(summary) * (SHADES - 1))


def _panel(
    condition: Condition, summaries: Sequence[Summary], pictures: Mapping[Group, Pictures], *, is_open: bool
) -> Panel:
    names = dict.fromkeys(summary.group.metric for summary in summaries)
    tables = (_matrix([s for s in summaries if s.group.metric == name], pictures) for name in names)
    return Panel(title=condition.words, open=is_open, matrices=tuple(tables))


def _matrix(summaries: Sequence[Summary], pictures: Mapping[Group, Pictures]) -> Matrix:
    columns = _columns(summaries)
    attacks = dict.fromkeys(columns.values())
    present = [a for a in attacks if any(columns[s.group] == a and not math.isnan(s.mean) for s in summaries)]
    scale = scale_of(summaries)
    by_place = {(_title(s.group), columns[s.group]): s for s in summaries}
    lines = []
    for title in dict.fromkeys(defense for defense, _ in by_place):
        in_line = [(attack, by_place.get((title, attack))) for attack in present]
        cells = (
            None if s is None else _cell(s, strip_of(s, scale), pictures.get(s.group), column=attack)
            for attack, s in in_line
        )
        lines.append(Line(title=title, cells=tuple(cells)))
    return Matrix(
        metric=", ".join(part for part in (summaries[0].group.metric, summaries[0].unit) if part),
        meaning=_meaning(summaries[0]),
        attacks=tuple(present),
        lines=tuple(lines) if present else (),
        absent=tuple(_absent(summaries, columns, [attack for attack in attacks if attack not in present])),
    )


def _columns(summaries: Sequence[Summary]) -> dict[Group, str]:
    """The title of each figure's column: the attack's label, or its algorithm where no line has two variants of it.

    Where tuning seeds chose another variant under each defense and only that one was run, they are one attack.
    """
    in_line = Counter((_title(s.group), s.group.algorithm) for s in summaries)
    several = {algorithm for (_, algorithm), count in in_line.items() if count > 1}
    several |= {s.group.attack for s in summaries if s.group.attack != s.group.algorithm}  # the title would be taken
    alone = Counter(algorithm for algorithm, _ in {(s.group.algorithm, s.group.attack) for s in summaries})
    return {
        s.group: s.group.attack if alone[s.group.algorithm] == 1 or s.group.algorithm in several else s.group.algorithm
        for s in summaries
    }


def _title(group: Group) -> str:
    return defense_words(group.defense, group.sender)


def _cell(summary: Summary, strip: Strip | None, pictures: Pictures | None, *, column: str) -> Cell:
    return Cell(
        judgement=judge(summary),
        shade=shade(summary),
        count=count_words(summary),
        strip=strip,
        facts=() if math.isnan(summary.mean) else tuple(facts(summary)),
        reasons=tuple(f"{counted(count, 'message')}: {reason}" for reason, count in summary.failures.items()),
        pictures=pictures,
        variant="" if summary.group.attack == column else summary.group.attack,
        tuned=summary.tuned,
    )


def _meaning(summary: Summary) -> str:
    name = summary.group.metric
    described = getattr(installed(name), "__doc__", None) or ""
    first = described.strip().partition("\n\n")[0]
    more = "Higher" if summary.higher_is_better else "Lower"
    goal = GOALS.get(kind_of(name))
    counted_words = f" Counted first: how many were {goal.verb}." if goal and speaks(name) else ""
    return f"{' '.join(first.split())} {more} means more leakage.{counted_words}"


def _absent(summaries: Sequence[Summary], columns: Mapping[Group, str], attacks: Sequence[str]) -> Iterator[str]:
    for attack in attacks:
        reasons = {reason for s in summaries if columns[s.group] == attack for reason in s.failures}
        yield f"{attack}: {'; '.join(sorted(reasons)) or 'no message was attacked'}"


def _proof(summary: Summary) -> str:
    possible = max(summary.certifiable, summary.certified)
    if not possible:
        return "none possible here"
    if not summary.certified:
        return "none: a guess"
    part = f", {summary.partly} by the first layer alone" if summary.partly else ""
    return f"proved {summary.certified} of {possible}{part}"
