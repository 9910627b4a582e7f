"""Detection in the report: how well clients' checks tell crafted models from honest ones, and what is recovered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fedleak.analysis.detection import ANY, RATE, Detected, attainable, detected, false_alarms, seconds_of
from fedleak.analysis.recovered import Recovered, recovered
from fedleak.formatting import DASH, counted, number, percent
from fedleak.report.convergence import SERIES, Lines, Points, lines_of
from fedleak.results.check_row import CheckRow, read_checks
from fedleak.results.row import Row
from fedleak.runs.folder import RunFolder
from fedleak.settings.server import HONEST
from fedleak.statistics.roc import roc

MOST = 0.2
"""The share of false alarms above which too few honest models are there to say anything."""
LINES, CHARTS = 160, 8
"""Lines of a table and charts that are shown, to keep the page small."""
LEAST = 0.01
"""The fewest false alarms that a curve is drawn for: there are hundreds of honest models of a seed, not thousands."""
STEPS = 20
GUESSING = "guessing"


@dataclass(frozen=True, kw_only=True)
class DetectionLine:
    """A check's figure on a server, a line of the table."""

    server: str
    where: str
    defense: str
    check: str
    statistic: str
    phase: str
    auc: str
    found: str
    realised: str
    """False alarms at the same thresholds."""
    alarms: str
    """By the check's own thresholds."""
    models: int
    whole: bool
    """Whether it is of all the check's figures together."""
    left: str
    """What the server recovers all the same."""


@dataclass(frozen=True, kw_only=True)
class AlarmLine:
    """False alarms of a check in one kind of training."""

    where: str
    defense: str
    check: str
    rate: str
    own: str
    models: int
    cost: str


@dataclass(frozen=True, kw_only=True)
class Detection:
    """The section."""

    rate: str
    sentences: tuple[str, ...]
    """For each server and phase what sees most of it."""
    lines: tuple[DetectionLine, ...] = ()
    lines_left_out: int = 0
    alarms: tuple[AlarmLine, ...] = ()
    charts: tuple[Lines, ...] = ()


def detection(folder: RunFolder, rows: Sequence[Row]) -> Detection | None:
    """The section of a run whose clients check models; None where there is no server to tell from an honest one."""
    if not folder.checks.exists():
        return None
    checks = [row for row in read_checks(folder.checks) if row.split == "test"]
    if not any(row.crafted for row in checks) or not any(row.server == HONEST for row in checks):
        return None
    rate = attainable(checks, RATE)
    if rate > MOST:
        return None
    found = detected(checks, rate)
    lines = _lines(found, recovered(rows))
    return Detection(
        rate=percent(rate),
        sentences=tuple(_sentences(found)),
        lines=tuple(lines[:LINES]),
        lines_left_out=max(0, len(lines) - LINES),
        alarms=tuple(_alarms(checks, rate)),
        charts=tuple(_charts(found)[:CHARTS]),
    )


def _lines(found: Sequence[Detected], left: Sequence[Recovered]) -> list[DetectionLine]:
    share = {(one.task, one.where, one.server, one.defense, one.phase): one.share.words for one in left}
    return [
        DetectionLine(
            server=one.server,
            where=", ".join(filter(None, [one.task, one.where])),
            defense=one.defense,
            check=one.check,
            statistic=one.statistic,
            phase=one.phase,
            auc=one.auc.words,
            found=one.found.words,
            realised=number(one.realised.mean),
            alarms=one.alarms.words,
            models=one.models,
            whole=one.statistic == ANY,
            left=share.get((one.task, one.where, one.server, one.defense, one.phase), DASH),
        )
        for one in found
    ]


def _alarms(checks: Sequence[CheckRow], rate: float) -> list[AlarmLine]:
    cost = seconds_of(checks)
    return [
        AlarmLine(
            where=", ".join(filter(None, [one.task, one.where])),
            defense=one.defense,
            check=one.check,
            rate=one.rate.words,
            own=one.own.words,
            models=one.models,
            cost=f"{number(1000 * cost[one.check])} ms",
        )
        for one in false_alarms(checks, rate)
    ]


def _sentences(found: Sequence[Detected]) -> Iterator[str]:
    """For each server where and when it was tried, the check that sees most of it by all its figures."""
    places = dict.fromkeys((one.task, one.where, one.server, one.phase) for one in found)
    for task, where, server, phase in places:
        own = [one for one in found if (one.task, one.where, one.server, one.phase) == (task, where, server, phase)]
        whole = [one for one in own if one.statistic == ANY]
        lone = [one for one in own if one.check not in {each.check for each in whole}]
        best = max([*whole, *lone], key=lambda one: one.found.mean - one.realised.mean)
        place = ", ".join(filter(None, [task, where, phase]))
        yield (
            f"“{server}” ({place}): {best.check} finds {best.found.words} of {counted(best.models, 'model')}, and "
            f"takes {number(best.realised.mean)} of the honest ones for crafted."
        )


def _charts(found: Sequence[Detected]) -> list[Lines]:
    """A ROC for each server, defense and phase; a figure of a check is a curve."""
    rates = [LEAST, *(10 ** (step / STEPS) for step in range(-2 * STEPS + 1, 0))]
    charts = []
    for key in dict.fromkeys((one.server, one.where, one.defense, one.phase) for one in found):
        own = [one for one in found if (one.server, one.where, one.defense, one.phase) == key]
        shown = sorted(own, key=lambda one: one.auc.mean, reverse=True)[: SERIES - 1]
        curves = {f"{one.check}: {one.statistic}": _curve(one, rates) for one in shown}
        title = f"{', '.join(filter(None, key))}: share of crafted models found"
        drawn = {**curves, GUESSING: ((LEAST, LEAST), (1.0, 1.0))}
        charts.append(lines_of(title, "share of honest models taken for crafted", drawn, lowest=LEAST))
    return [chart for chart in charts if chart is not None]


def _curve(found: Detected, rates: Sequence[float]) -> Points:
    """A share below the edge of the chart lies on it; taking all finds all."""
    return (*((rate, max(share, LEAST)) for rate, share in roc(found.placed, rates)), (1.0, 1.0))
