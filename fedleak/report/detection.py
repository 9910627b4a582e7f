"""Detection in the report: how well clients' checks tell crafted models from honest ones, and what is recovered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.detection import ANY, RATE, Detected, FalseAlarms, attainable, detected, false_alarms, seconds_of
from fedleak.analysis.kept_rate import kept_rate
from fedleak.analysis.recovered import Recovered, recovered
from fedleak.analysis.thresholds import least_rate
from fedleak.formatting import DASH, counted, number, opening, percent
from fedleak.report.convergence import SERIES, Lines, Points, lines_of
from fedleak.results.check_row import read_checks
from fedleak.results.row import Row
from fedleak.runs.folder import RunFolder
from fedleak.settings.server import HONEST
from fedleak.statistics.roc import roc

FEWEST = 2
"""The other seeds that thresholds take to say anything at all."""
LINES, CHARTS = 160, 8
"""Lines of a table and charts that are shown, to keep the page small."""
LEAST = 0.01
"""The fewest false alarms that a curve is drawn for: there are hundreds of honest models of a seed, not thousands."""
STEPS = 20
GUESSING = "guessing"


@dataclass(frozen=True, kw_only=True)
class DetectionLine:
    """A check's figure on a server, a line of the table."""

    check: str
    statistic: str
    auc: str
    found: str
    realised: str
    """False alarms at the same thresholds."""
    alarms: str
    """By the check's own thresholds."""
    whole: bool
    """Whether it is of all the check's figures together."""


@dataclass(frozen=True, kw_only=True)
class DetectedServer:
    """A server where and when it was tried: lines that belong together."""

    server: str
    where: str
    """Task, other settings, defense and phase."""
    models: int
    """Crafted ones."""
    left: str
    """What the server recovers all the same."""
    lines: tuple[DetectionLine, ...]


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
    seeds: int
    """Whose honest models set each threshold, at least."""
    sentences: tuple[str, ...]
    """For each server and phase what sees most of it."""
    kept: tuple[str, ...] = ()
    """Of each check whether honest models of other seeds raise no more false alarms than that."""
    servers: tuple[DetectedServer, ...] = ()
    lines_left_out: int = 0
    alarms: tuple[AlarmLine, ...] = ()
    charts: tuple[Lines, ...] = ()


def detection(folder: RunFolder, rows: Sequence[Row]) -> Detection | None:
    """The section of a run whose clients check models; None where there is no server to tell from an honest one."""
    if not folder.checks.exists():
        return None
    checks = [row for row in read_checks(folder.checks) if row.split != "tuning"]
    if not any(row.crafted for row in checks) or not any(row.server == HONEST for row in checks):
        return None
    rate = attainable(checks, RATE)
    if rate > least_rate(FEWEST):
        return None
    found, alarms = detected(checks, rate), false_alarms(checks, rate)
    shown = found[:LINES]
    return Detection(
        rate=percent(rate),
        seeds=min(one.seeds for one in found),
        sentences=tuple(_sentences(found)),
        servers=tuple(_servers(shown, recovered(rows))),
        lines_left_out=len(found) - len(shown),
        alarms=tuple(_alarms(alarms, seconds_of(checks))),
        kept=tuple(map(opening, kept_rate(alarms, rate))),
        charts=tuple(_charts(found)[:CHARTS]),
    )


def _servers(found: Sequence[Detected], left: Sequence[Recovered]) -> Iterator[DetectedServer]:
    """In the order in which they come first."""
    share = {(one.task, one.where, one.server, one.defense, one.phase): one.share.words for one in left}
    keys = dict.fromkeys((one.task, one.where, one.server, one.defense, one.phase) for one in found)
    for key in keys:
        own = [one for one in found if (one.task, one.where, one.server, one.defense, one.phase) == key]
        task, where, server, defense, phase = key
        yield DetectedServer(
            server=server,
            where=", ".join(filter(None, [task, where, f"“{defense}”", phase])),
            models=max(one.models for one in own),
            left=share.get(key, DASH),
            lines=tuple(map(_line, own)),
        )


def _line(found: Detected) -> DetectionLine:
    return DetectionLine(
        check=found.check,
        statistic=found.statistic,
        auc=found.auc.words,
        found=found.found.words,
        realised=number(found.realised.mean),
        alarms=found.alarms.words,
        whole=found.statistic == ANY,
    )


def _alarms(alarms: Sequence[FalseAlarms], cost: Mapping[str, float]) -> list[AlarmLine]:
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
        for one in alarms
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
    """A ROC for each server, defense and phase; figures of checks that tell models apart alike share a curve."""
    keys = list(dict.fromkeys(_placed(one) for one in found))
    told = [any(key[part] != keys[0][part] for key in keys) for part in range(len(keys[0]))] if keys else []
    charts = []
    for key in keys:
        own = sorted((one for one in found if _placed(one) == key), key=lambda one: one.auc.mean, reverse=True)
        drawn = {**_curves(own), GUESSING: [(LEAST * 10 ** (step / STEPS),) * 2 for step in range(2 * STEPS + 1)]}
        words = [part for part, varies in zip(key[1:], told[1:], strict=True) if part and varies]
        title = f"{', '.join([key[0], *words])}: share of crafted models found"
        over = "share of honest models taken for crafted"
        charts.append(lines_of(title, over, drawn, share=True, lowest=LEAST))
    return [chart for chart in charts if chart is not None]


def _placed(found: Detected) -> tuple[str, str, str, str]:
    """Which chart it is in: the server, and where, under which defense and when it was tried."""
    return found.server, found.where, found.defense, found.phase


def _curves(found: Sequence[Detected]) -> dict[str, Points]:
    """Different curves in their order, each by the figures of checks that it stands for."""
    curves: dict[Points, dict[str, list[str]]] = {}
    for one in found:
        curve = _curve(one)
        if curve in curves or len(curves) < SERIES - 1:
            names = curves.setdefault(curve, {}).setdefault(one.check, [])
            names.insert(0 if one.statistic == ANY else len(names), "all" if one.statistic == ANY else one.statistic)
    return {
        "; ".join(f"{check}: {', '.join(names)}" for check, names in checks.items()): curve
        for curve, checks in curves.items()
    }


def _curve(found: Detected) -> Points:
    """From the least share of false alarms that its honest models tell; taking all finds all."""
    least = max([LEAST, *(1 / max(one.others, 1) for one in found.placed)])
    rates = [least, *(rate for step in range(-2 * STEPS, 0) if (rate := 10 ** (step / STEPS)) > least)]
    return (*roc(found.placed, rates), (1.0, 1.0))
