"""`fedleak advise`: which defenses of a comparison keep leakage and accuracy within limits."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from fedleak.analysis.advice import Advice, Limits
from fedleak.analysis.advice import advise as sort_out
from fedleak.analysis.defenses import Standing, by_condition
from fedleak.analysis.untested import untested
from fedleak.cli.options import say_loading
from fedleak.formatting import counted, figure
from fedleak.runs.reading import FinishedRun
from fedleak.statistics.summary import summarise

# Says which defenses meet both limits, and what that rests on.


def tell_advice(run: FinishedRun, found: Sequence[Standing], limits: Limits, console: Console) -> bool:
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
    for gap in untested(run, summarise(run.rows)):
        console.print(f"  {escape(gap.title)}: {escape(gap.words)}")
    return met


def _most(found: Sequence[Standing], limits: Limits) -> str:
    """The limit in words; of some metrics, as of mse, less is worse."""
    first = next((one.strongest for one in found if one.strongest is not None), None)
    if first is None:
        return f"a leak of at most {figure(limits.max_leak)}"
    return f"{first.group.metric} at {'most' if first.higher_is_better else 'least'} {figure(limits.max_leak)}"


def _lines(found: Sequence[Standing], advice: Advice, limits: Limits) -> list[str]:
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


def _evidence(one: Standing) -> str:
    """What a recommendation rests on."""
    worst = one.strongest
    assert worst is not None
    low, high = figure(worst.interval.low), figure(worst.interval.high)
    leak = f"{worst.group.metric} {figure(worst.mean)} [{low}, {high}] by {worst.group.attack}"
    rests = f"{counted(worst.messages, 'message')}, {counted(worst.seeds, 'seed')}"
    sample = f"worst sample {figure(worst.worst_case)}"
    accuracy = "" if math.isnan(one.accuracy.mean) else f"; accuracy {one.accuracy.mean:.1%}"
    return f"{leak} over {rests}, {sample}{accuracy}"


def advise(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a comparison.")],
    max_leak: Annotated[
        str, typer.Option("--max-leak", metavar="FIGURE", help="The most that may leak, in the metric's unit: 20dB.")
    ],
    min_accuracy: Annotated[
        float, typer.Option("--min-accuracy", min=0.0, max=1.0, help="The least accuracy of the model, 0 to 1.")
    ] = 0.0,
    metric: Annotated[
        str | None, typer.Option(help="What leakage is measured by; by default what the report speaks in.")
    ] = None,
) -> None:
    """Name the defenses that meet both limits, the evidence, and what was not tried. Exit status 1 where none does."""
    say_loading()
    from rich.console import Console

    from fedleak.analysis.advice import Limits, parse_leak
    from fedleak.cli.compare import compared_in
    from fedleak.runs.reading import read_run

    limits = Limits(max_leak=parse_leak(max_leak), min_accuracy=min_accuracy)
    finished = read_run(run)
    met = tell_advice(finished, compared_in(finished, metric), limits, Console(highlight=False))
    raise typer.Exit(0 if met else 1)
