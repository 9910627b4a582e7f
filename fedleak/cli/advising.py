"""Says which defenses meet both limits, and what that rests on."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from fedleak.analysis.advice import Advice, Limits
from fedleak.analysis.advice import advise as sort_out
from fedleak.analysis.analysis import Analysis
from fedleak.analysis.defenses import DefenseResult, by_condition
from fedleak.formatting import counted, figure


def tell_advice(analysis: Analysis, found: Sequence[DefenseResult], limits: Limits, console: Console) -> bool:
    """Prints the advice for each condition; returns whether each has a defense that meets both limits."""
    groups = by_condition(found)
    met = True
    for condition, own in groups.items():
        advice = sort_out(own, limits)
        met = met and bool(advice.named)
        console.print(f"[bold]{escape(condition.words)}[/bold]")
        for line in _lines(own, advice, limits):
            console.print(line)
    console.print("\n[bold]what was not tried[/bold]")
    for gap in analysis.untested:
        console.print(f"  {escape(gap.title)}: {escape(gap.words)}")
    return met


def _most(found: Sequence[DefenseResult], limits: Limits) -> str:
    """The limit in words; of some metrics, as of mse, less is worse."""
    first = next((one.strongest for one in found if one.strongest is not None), None)
    if first is None:
        return f"a leak of at most {figure(limits.max_leak)}"
    return f"{first.group.metric} at {'most' if first.higher_is_better else 'least'} {figure(limits.max_leak)}"


def _lines(found: Sequence[DefenseResult], advice: Advice, limits: Limits) -> list[str]:
    wanted = f"{_most(found, limits)} and an accuracy of at least {limits.min_accuracy:.1%}"
    if not advice.named:
        lines = [f"no defense that was tried keeps {wanted}, as far as these messages show"]
    else:
        lines = [
            f"{counted(len(advice.named), 'defense')} on the frontier keep{'s' * (len(advice.named) == 1)} {wanted}:"
        ]
    lines += [f"  [bold green]{escape(one.defense)}[/bold green]: {escape(_evidence(one))}" for one in advice.named]
    lines += [
        f"  {escape(one.defense)}: keeps both too, but another is better: {escape(_evidence(one))}"
        for one in advice.beaten
    ]
    lines += [f"  [yellow]{escape(one.defense)}[/yellow]: not shown: {escape(why)}" for one, why in advice.near]
    lines += [f"  [dim]{escape(one.defense)}: no: {escape(why)}[/dim]" for one, why in advice.refused]
    return lines


def _evidence(one: DefenseResult) -> str:
    """What a recommendation rests on."""
    worst = one.strongest
    assert worst is not None
    low, high = figure(worst.interval.low), figure(worst.interval.high)
    leak = f"{worst.group.metric} {figure(worst.mean)} [{low}, {high}] by {worst.group.attack}"
    rests = f"{counted(worst.messages, 'message')}, {counted(worst.seeds, 'seed')}"
    sample = f"worst sample {figure(worst.worst_case)}"
    accuracy = "" if math.isnan(one.accuracy.mean) else f"; accuracy {one.accuracy.mean:.1%}"
    return f"{leak} over {rests}, {sample}{_another(one)}{accuracy}"


def _another(one: DefenseResult) -> str:
    """The mean that the limit was held against, where that is not the strongest attack's."""
    worst = one.highest
    if worst is None or worst is one.strongest:
        return ""
    return f"; the highest mean is {figure(worst.mean)} by {worst.group.attack}"
