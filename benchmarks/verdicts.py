"""The rule by which a row counts as reproduced, and what else may be said of it."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from papers import Setting

from fedleak.statistics.intervals import Interval, Units, clopper_pearson, student

YES_OR_NO = {"label", "exact"}
"""Figures that are 0 or 1 in each draw."""
SLACK, WIDEST = {"psnr": 1.0}, {"psnr": 12.0}
"""How far beside our interval a published figure still counts as the same, and how wide that may be to tell anything: 1
and 12 dB, else 0.02 and 0.3."""

Kind = Literal["reproduced", "higher", "lower", "failed", "other", "undecided", "not run"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a row came to."""

    kind: Kind
    """What it is counted as."""
    words: str


def verdict(setting: Setting, entry: Mapping[str, Any] | None) -> Verdict:
    """By the rule on the page."""
    if entry is None:
        return Verdict(kind="not run", words="not run")
    figures, draws = figures_of(entry), len(entry["draws"])
    if len(figures) < draws or not figures:
        return Verdict(kind="failed", words=f"failed in {draws - len(figures)} of {draws} draws" if draws else "failed")
    if setting.published is None:
        return Verdict(kind="undecided", words="no published figure")
    around = interval(setting, figures)
    if not around.high - around.low <= WIDEST.get(setting.figure, 0.3):  # not so where it is NaN, of one draw
        return Verdict(kind="undecided", words="too few draws for their spread")
    beside = _beside(setting.published.value, around, SLACK.get(setting.figure, 0.02))
    if other := differs(setting):
        return Verdict(kind="other", words=f"{other}: {beside or 'near'}")
    recalled = "" if setting.published.verified else ", against a figure as recalled"
    return Verdict(kind=beside or "reproduced", words=f"{beside or 'reproduced'}{recalled}")


def differs(setting: Setting) -> str:
    """What keeps a row from being the paper's setting; empty where nothing does."""
    if setting.data and setting.network:
        return "other data, other network"
    return "other data" if setting.data else "other network" if setting.network else ""


def interval(setting: Setting, figures: list[float]) -> Interval:
    """The 95% interval of the mean over the draws."""
    if setting.figure in YES_OR_NO:
        return clopper_pearson(sum(figures), len(figures), f"{len(figures)} draws")
    found = student(Units.of(figures, list(range(len(figures)))))
    return found if setting.figure == "psnr" else replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def figures_of(entry: Mapping[str, Any]) -> list[float]:
    """The figures of the draws that have one."""
    return [float(one["figure"]) for one in entry["draws"] if one["figure"] is not None]


def mean_of(entry: Mapping[str, Any]) -> float:
    """Their mean; NaN without any."""
    return statistics.mean(figures_of(entry)) if figures_of(entry) else float("nan")


def _beside(published: float, around: Interval, slack: float) -> Literal["higher", "lower"] | None:
    """Whether ours lies beside the published figure, beyond the slack."""
    if around.low - slack > published:
        return "higher"
    return "lower" if around.high + slack < published else None
