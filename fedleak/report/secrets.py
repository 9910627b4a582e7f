"""Secrets in texts: how exposed a secret is by how often it was typed, and what was found beside what is true."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from fedleak.analysis.conditions import Condition, condition_of, condition_of_point, condition_of_row
from fedleak.analysis.evidence import defense_words
from fedleak.errors import FedleakError
from fedleak.evaluation.message import Message
from fedleak.experiment.campaign import Campaign
from fedleak.formatting import DASH, number
from fedleak.goals.secrets import rank_of
from fedleak.learning.secret_format import SecretFormat
from fedleak.report.convergence import SERIES, Lines, lines_of
from fedleak.results.row import Row
from fedleak.runs import cell_file
from fedleak.runs.folder import RunFolder
from fedleak.statistics.summary import Summary

METRIC, EXACT = "exposure", "exact-secret"
TIMES = "federation.canary.times"
Tried = tuple[Condition, str, str]
"""A setting, a defense and an attack."""
LINES, CHARTS = 120, 6
"""Lines of the table and charts that are shown, to keep the page small."""
GUESSING = "guessing"


@dataclass(frozen=True, kw_only=True)
class Line:
    """An attack under a defense in a setting, over all seeds."""

    where: str
    defense: str
    attack: str
    exposure: str
    guessing: str
    exact: str
    found: tuple[str, ...]
    """Of each seed the first guess beside the secret, and where the secret is in the order."""


@dataclass(frozen=True, kw_only=True)
class SecretsFound:
    """The section. Where what it is made of cannot be read it has no words of secrets."""

    sentence: str
    lines: tuple[Line, ...]
    lines_left_out: int
    charts: tuple[Lines, ...]


def secrets_found(
    folder: RunFolder, campaign: Campaign, rows: Iterable[Row], summaries: Iterable[Summary]
) -> SecretsFound | None:
    """The section of a run; None where nobody was asked for a secret."""
    summaries = tuple(summaries)
    exposures = [one for one in summaries if one.group.metric == METRIC and not math.isnan(one.mean)]
    if not exposures:
        return None
    exact = {one.group.variant: one for one in summaries if one.group.metric == EXACT}
    masked = {condition_of_point(point): point.experiment.adversary.masked for point in campaign.points}
    words = _words(folder, masked, [row for row in rows if row.metric == METRIC])
    lines = [
        Line(
            where=condition_of(one.group).words,
            defense=defense_words(one.group.defense, one.group.sender),
            attack=one.group.attack,
            exposure=_with_interval(one),
            guessing=number(one.prior),
            exact=_counted(exact.get(one.group.variant)),
            found=tuple(words.get((condition_of(one.group), one.group.defense, one.group.attack), (DASH,))),
        )
        for one in exposures
    ]
    return SecretsFound(
        sentence=_sentence(exposures),
        lines=tuple(lines[:LINES]),
        lines_left_out=max(0, len(lines) - LINES),
        charts=tuple(_charts(exposures))[:CHARTS],
    )


def _words(
    folder: RunFolder, masked: Mapping[Condition, tuple[int, ...]], rows: Sequence[Row]
) -> dict[Tried, list[str]]:
    """What was found beside what is true, of each seed; nothing where files are missing."""
    found: dict[Tried, list[str]] = {}
    for row in rows:
        where = condition_of_row(row)
        try:
            guess, canary = cell_file.load(folder.cell(row)).guess.secrets, Message.of(folder, row).canary
        except FedleakError:
            continue
        if guess is not None and canary is not None:
            words = _beside(canary.asked(masked[where]), canary.secret, guess)
            found.setdefault((where, row.defense, row.attack), []).append(words)
    return found


def _beside(format: SecretFormat, secret: str, guess: Float[Tensor, " candidates"]) -> str:
    """`9015 found`, or `9015 at 31 of 10,000, first 9010`."""
    rank = rank_of(guess, format.place(secret))
    if not rank.ahead and not rank.alike:
        return f"{secret} found"
    first = format.candidate(int(guess.nan_to_num(-math.inf).argmax()))
    last = f" to {rank.ahead + rank.alike + 1:,}" if rank.alike else ""
    return f"{secret} at {rank.ahead + 1:,}{last} of {rank.candidates:,}, first {first}"


def _sentence(exposures: Sequence[Summary]) -> str:
    """Where the secret is exposed most, and what that means."""
    most = max(exposures, key=lambda one: (one.mean, one.interval.low))
    return (
        f"{most.group.attack} under “{most.group.defense}” ({condition_of(most.group).words}) exposes the secret by "
        f"{_with_interval(most)} bits, the most of all that were tried, where a rank by chance has "
        f"{number(most.prior)}. Each bit halves how many secrets one has to try."
    )


def _charts(exposures: Sequence[Summary]) -> Iterator[Lines]:
    """For each attack and setting a line for each defense over how often the secret was typed."""
    groups: dict[tuple[Condition, str], dict[str, dict[float, Summary]]] = {}
    for one in exposures:
        setting = dict(condition_of(one.group).setting)
        if TIMES in setting:
            times = float(setting.pop(TIMES))
            place = Condition.of(one.group.task, setting), one.group.attack
            groups.setdefault(place, {}).setdefault(one.group.defense, {})[times] = one
    for (where, attack), defenses in groups.items():
        names = list(defenses)
        for first in range(0, len(names), SERIES - 1):
            some = {name: defenses[name] for name in names[first : first + SERIES - 1]}
            chart = _chart(f"{where.words}: exposure in bits by {attack}", some)
            if chart is not None:
                yield chart


def _chart(title: str, defenses: Mapping[str, Mapping[float, Summary]]) -> Lines | None:
    points = {name: [(times, own[times].mean) for times in sorted(own)] for name, own in defenses.items()}
    every = sorted({times for own in defenses.values() for times in own})
    if len(every) < 2:
        return None
    chance = next(iter(next(iter(defenses.values())).values())).prior
    return lines_of(
        title,
        "times that the secret was typed",
        {**points, GUESSING: [(every[0], chance), (every[-1], chance)]},
        intervals={
            name: [(times, own[times].interval.low, own[times].interval.high) for times in sorted(own)]
            for name, own in defenses.items()
        },
        at=tuple(every),
    )


def _with_interval(summary: Summary) -> str:
    low, high = summary.interval.low, summary.interval.high
    return number(summary.mean) + ("" if math.isnan(low) else f" ({number(low)} to {number(high)})")


def _counted(summary: Summary | None) -> str:
    if summary is None:
        return DASH
    return f"{sum(value == 1.0 for value in summary.samples)} of {len(summary.samples)}"
