"""Advice: which defenses keep leakage below a limit and accuracy above one, and what that rests on."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.frontier import members, trades_of
from fedleak.analysis.judgement import more
from fedleak.errors import ConfigError
from fedleak.formatting import figure


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is wanted."""

    max_leak: float
    """In the metric's unit."""
    min_accuracy: float
    """From 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The defenses of one condition, apart by what can be said of them."""

    named: tuple[DefenseResult, ...]
    """Both limits are kept at the unfavorable end of the intervals, and no other that does so is better."""
    beaten: tuple[DefenseResult, ...]
    """Both limits are kept too, but another defense leaks no more and is as accurate."""
    near: tuple[tuple[DefenseResult, str], ...]
    """Kept by the means alone, and why that is not enough."""
    refused: tuple[tuple[DefenseResult, str], ...]
    """The others, and why."""


def parse_leak(text: str) -> float:
    """`20`, `20dB` or `20 dB`: the unit is the metric's and only for people."""
    found = re.fullmatch(r"\s*(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*([A-Za-z%²]*)\s*", text)
    if found is None:
        raise ConfigError(f"--max-leak: expected a number in the metric's unit, as in 20dB, got {text!r}")
    return float(found.group(1))


def advise(results: Sequence[DefenseResult], limits: Limits) -> Advice:
    """Sorts the defenses of one condition."""
    kept, near, refused = [], [], []
    for result in results:
        problem = why_not(result, limits)
        doubt = "" if problem else _doubt(result, limits)
        if problem:
            refused.append((result, problem))
        elif doubt:
            near.append((result, doubt))
        else:
            kept.append(result)
    beaten = _beaten(kept)
    named = tuple(result for result in kept if result not in beaten)
    return Advice(named=named, beaten=beaten, near=tuple(near), refused=tuple(refused))


def _beaten(kept: Sequence[DefenseResult]) -> tuple[DefenseResult, ...]:
    """Those off the frontier of what surely keeps the limits; who only may keep them takes nothing from these."""
    trades = trades_of(kept)
    best = members(trades)
    return tuple(one for one in kept if one.defense in trades and one.defense not in best)


def why_not(result: DefenseResult, limits: Limits) -> str:
    """Why a defense does not keep the limits on average; empty where it does."""
    worst = result.highest
    if worst is None:
        return "no attack on it has a figure"
    if not result.tested:
        return "untested: every attack on it took no notice of the defense"
    if more(worst, worst.mean, limits.max_leak) > 0:
        return (
            f"{worst.group.metric} {figure(worst.mean)} by {worst.group.attack}, the limit is {figure(limits.max_leak)}"
        )
    if limits.min_accuracy > 0 and math.isnan(result.accuracy.mean):
        return "its accuracy was not measured; set utility.rounds, or federation.fraction_evaluate above 0"
    if result.accuracy.mean < limits.min_accuracy:
        return f"accuracy {result.accuracy.mean:.1%}, and {limits.min_accuracy:.1%} is wanted"
    return ""


def _doubt(result: DefenseResult, limits: Limits) -> str:
    """Why the intervals leave it open; empty where they do not."""
    worst = result.highest
    assert worst is not None
    end = worst.interval.high if worst.higher_is_better else worst.interval.low
    if math.isnan(end) or (limits.min_accuracy > 0 and math.isnan(result.accuracy.interval.low)):
        return "too few seeds for intervals; run more"
    if more(worst, end, limits.max_leak) > 0:
        return f"{worst.group.metric} may be {figure(end)} (95%), the limit is {figure(limits.max_leak)}"
    if result.accuracy.interval.low < limits.min_accuracy:
        return f"accuracy may be {result.accuracy.interval.low:.1%} (95%), and {limits.min_accuracy:.1%} is wanted"
    return ""
