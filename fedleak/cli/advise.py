"""`fedleak advise`: which defenses of a comparison keep leakage and accuracy within limits."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from fedleak.analysis.advice import Advice, Limits, advise, parse_leak
from fedleak.analysis.analysis import Analysis
from fedleak.analysis.conditions import Condition
from fedleak.analysis.defenses import DefenseResult, by_condition
from fedleak.analysis.untested import Gap
from fedleak.cli.compare import compared_in
from fedleak.cli.options import FormOption, write_json
from fedleak.formatting import counted, figure
from fedleak.runs.reading import read_run


def print_advice(
    groups: Mapping[Condition, Sequence[DefenseResult]],
    advised: Mapping[Condition, Advice],
    limits: Limits,
    missing: Iterable[Gap],
) -> None:
    """Prints the advice for each condition."""
    console = Console(highlight=False)
    for condition, advice in advised.items():
        console.print(f"[bold]{escape(condition.words)}[/bold]")
        for line in _lines(groups[condition], advice, limits):
            console.print(line)
    console.print("\n[bold]what was not tried[/bold]")
    for gap in missing:
        console.print(f"  {escape(gap.title)}: {escape(gap.words)}")


def advice_facts(advised: Mapping[Condition, Advice], limits: Limits, missing: Iterable[Gap]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "max_leak": limits.max_leak,
        "min_accuracy": limits.min_accuracy,
        "defenses": [facts for condition, advice in advised.items() for facts in _facts(condition, advice)],
        "not_tried": [{"title": gap.title, "words": gap.words} for gap in missing],
    }


def _facts(condition: Condition, advice: Advice) -> Iterator[dict[str, Any]]:
    sorted_out: list[tuple[str, DefenseResult, str]] = [
        *(("recommended", result, "") for result in advice.named),
        *(("beaten", result, "another is better") for result in advice.beaten),
        *(("not shown", result, why) for result, why in advice.near),
        *(("no", result, why) for result, why in advice.refused),
    ]
    for verdict, result, reason in sorted_out:
        facts = {"condition": condition.words, "defense": result.defense, "verdict": verdict, "reason": reason}
        yield facts | _measured(result)


def _measured(result: DefenseResult) -> dict[str, Any]:
    worst = result.strongest
    return {
        "metric": worst.group.metric if worst else None,
        "attack": worst.group.attack if worst else None,
        "leak": worst.mean if worst else None,
        "leak_low": worst.interval.low if worst else None,
        "leak_high": worst.interval.high if worst else None,
        "accuracy": result.accuracy.mean,
    }


def _most(found: Sequence[DefenseResult], limits: Limits) -> str:
    """The limit in words; of some metrics, as of mse, less is worse."""
    first = next((one.strongest for one in found if one.strongest is not None), None)
    if first is None:
        return f"a leak of at most {figure(limits.max_leak)}"
    return f"{first.group.metric} at {'most' if first.higher_is_better else 'least'} {figure(limits.max_leak)}"


def _lines(results: Sequence[DefenseResult], advice: Advice, limits: Limits) -> list[str]:
    wanted = f"{_most(results, limits)} and an accuracy of at least {limits.min_accuracy:.1%}"
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


def _evidence(result: DefenseResult) -> str:
    """What a recommendation rests on."""
    worst = result.strongest
    assert worst is not None
    low, high = figure(worst.interval.low), figure(worst.interval.high)
    leak = f"{worst.group.metric} {figure(worst.mean)} [{low}, {high}] by {worst.group.attack}"
    rests = f"{counted(worst.messages, 'message')}, {counted(worst.seeds, 'seed')}"
    sample = f"worst sample {figure(worst.worst_case)}"
    accuracy = "" if math.isnan(result.accuracy.mean) else f"; accuracy {result.accuracy.mean:.1%}"
    return f"{leak} over {rests}, {sample}{_another(result)}{accuracy}"


def _another(one: DefenseResult) -> str:
    """The mean that the limit was held against, where that is not the strongest attack's."""
    worst = one.highest
    if worst is None or worst is one.strongest:
        return ""
    return f"; the highest mean is {figure(worst.mean)} by {worst.group.attack}"


def command(
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
    form: FormOption = "table",
) -> None:
    """Name the defenses that meet both limits, the evidence, and what was not tried. Exit status 1 where none does."""
    limits = Limits(max_leak=parse_leak(max_leak), min_accuracy=min_accuracy)
    analysis = Analysis.of(read_run(run))
    groups = by_condition(compared_in(analysis, metric))
    advised = {condition: advise(own, limits) for condition, own in groups.items()}
    if form == "json":
        write_json(advice_facts(advised, limits, analysis.untested))
    else:
        print_advice(groups, advised, limits, analysis.untested)
    raise typer.Exit(0 if all(advice.named for advice in advised.values()) else 1)
