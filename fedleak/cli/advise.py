"""`fedleak advise`: which defenses of a comparison surely keep leakage and accuracy within limits."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from fedleak.analysis.advice import Advice, Candidate, Limits, advise, parse_leak, past_in_words
from fedleak.analysis.analysis import Analysis
from fedleak.analysis.conditions import Condition
from fedleak.analysis.defenses import by_condition
from fedleak.analysis.exposure import Exposure
from fedleak.analysis.judgement import judge
from fedleak.analysis.other_readings import read_in_words
from fedleak.analysis.server_advice import Trial, server_advice
from fedleak.analysis.untested import Gap
from fedleak.cli.compare import metric_in
from fedleak.cli.options import Form, FormOption, write_json
from fedleak.cli.server_advice import print_server_advice, server_advice_facts
from fedleak.formatting import counted, figure, listed
from fedleak.runs.reading import read_run


def print_advice(advised: Mapping[Condition, Advice], limits: Limits, missing: Iterable[Gap]) -> None:
    """Prints the advice for each condition."""
    console = Console(highlight=False)
    for condition, advice in advised.items():
        console.print(f"[bold]{escape(condition.words)}[/bold]")
        for line in _lines(advice, limits):
            console.print(line)
    console.print("\n[bold]what was not tried[/bold]")
    for gap in missing:
        console.print(f"  {escape(gap.title)}: {escape(gap.words)}")


def advice_facts(advised: Mapping[Condition, Advice], limits: Limits, missing: Iterable[Gap]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "max_leak": limits.max_leak,
        "max_share": limits.max_share,
        "min_accuracy": limits.min_accuracy,
        "allowed": sorted(limits.allowed),
        "defenses": [facts for condition, advice in advised.items() for facts in _facts(condition, advice, limits)],
        "not_tried": [{"title": gap.title, "words": gap.words} for gap in missing],
    }


def _sorted_out(advice: Advice) -> Iterator[tuple[str, Candidate, str]]:
    """Every defense with its verdict in a word, and why."""
    yield from (("recommended", one, "") for one in advice.named)
    yield from (("beaten", one, "another is better") for one in advice.beaten)
    yield from (("not shown", one, why) for one, why in advice.near)
    yield from (("no", one, why) for one, why in advice.refused)


def _facts(condition: Condition, advice: Advice, limits: Limits) -> Iterator[dict[str, Any]]:
    for verdict, one, reason in _sorted_out(advice):
        facts = {"condition": condition.words, "defense": one.defense, "verdict": verdict, "reason": reason}
        yield facts | _measured(one, limits)


def _measured(one: Candidate, limits: Limits) -> dict[str, Any]:
    worst, exposure = one.result.strongest, one.exposure
    return {
        "metric": worst.group.metric if worst else None,
        "attack": worst.group.attack if worst else None,
        "samples": len(exposure.past),
        "seeds": exposure.distinct_seeds,
        "past": exposure.count,
        "share": exposure.share,
        "share_at_most": exposure.at_most,
        "seeds_needed": exposure.needed(limits.max_share) if exposure.share <= limits.max_share else None,
        "p95": exposure.tail,
        "worst": exposure.worst,
        "mean": worst.mean if worst else None,
        "accuracy": one.result.accuracy.mean,
        "left_open": sum(exposure.open),
        "others": {name: str(judge(found.summary)) if found else None for name, found in one.others.items()},
    }


def _wanted(advice: Advice, limits: Limits) -> str:
    """The limits in words; of some metrics, as of mse, less is worse."""
    first = next((one.result.strongest for _, one, _ in _sorted_out(advice) if one.result.strongest), None)
    more = f"leak more than {figure(limits.max_leak)}"
    if first is not None:
        more = f"{'exceed' if first.higher_is_better else 'fall below'} {first.group.metric} {figure(limits.max_leak)}"
    return (
        f"the share of samples that {more} at most {limits.max_share:.2g} "
        f"and the accuracy at least {limits.min_accuracy:.1%}"
    )


def _lines(advice: Advice, limits: Limits) -> list[str]:
    wanted, named = _wanted(advice, limits), len(advice.named)
    lines = [f"{counted(named, 'defense')} on the frontier keep{'s' * (named == 1)} {wanted}:"]
    if not named:
        lines = [f"no defense that was tried keeps {wanted}, as far as these messages show"]
    lines += [f"  [bold green]{escape(one.defense)}[/]: {escape(_evidence(one, limits))}" for one in advice.named]
    lines += [
        f"  {escape(one.defense)}: keeps both too, but another is better: {escape(_evidence(one, limits))}"
        for one in advice.beaten
    ]
    lines += [
        f"  [yellow]{escape(one.defense)}[/]: not shown: {escape(why)}; {_tail(one.exposure)}"
        for one, why in advice.near
    ]
    lines += [f"  [dim]{escape(one.defense)}: no: {escape(why)}[/]" for one, why in advice.refused]
    unmeasured = dict.fromkeys(kind for _, one, _ in _sorted_out(advice) for kind in one.unmeasured)
    return [*lines, f"  not tried: {listed(unmeasured)}"] if unmeasured else lines


def _evidence(one: Candidate, limits: Limits) -> str:
    """What a recommendation rests on: the share and its limit, the tail, the worst sample, and what else was read."""
    exposure, accuracy = one.exposure, one.result.accuracy.mean
    share = f"{past_in_words(one, limits)} in {counted(exposure.distinct_seeds, 'seed')}"
    read = [read_in_words(name, found) for name, found in one.others.items() if found is not None]
    trained = [] if math.isnan(accuracy) else [f"accuracy {accuracy:.1%}"]
    return "; ".join([f"{share}, so at most {exposure.at_most:.1%} of them (97.5%)", _tail(exposure), *trained, *read])


def _tail(exposure: Exposure) -> str:
    percentile = "p95" if exposure.higher_is_better else "p5"
    return f"{percentile} {figure(exposure.tail)}, worst sample {figure(exposure.worst)}"


def _advise_on_servers(analysis: Analysis, metric: str, limits: Limits, form: Form) -> NoReturn:
    """The same by server; exit status 1 where in a setting nothing holds against all of them."""
    trial = Trial.of(analysis, metric, limits)
    advised = server_advice(trial)
    if form == "json":
        write_json(server_advice_facts(advised, trial))
    else:
        print_server_advice(advised, trial)
    raise typer.Exit(0 if all(one.recommended for one in advised) else 1)


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a comparison.")],
    max_leak: Annotated[
        str,
        typer.Option("--max-leak", metavar="FIGURE", help="The most that may leak of a sample, in the metric's unit."),
    ],
    max_share: Annotated[
        float,
        typer.Option("--max-share", min=0.001, max=1.0, help="The share of samples of which more may leak."),
    ] = 0.05,
    min_accuracy: Annotated[
        float, typer.Option("--min-accuracy", min=0.0, max=1.0, help="The least accuracy of the model, 0 to 1.")
    ] = 0.0,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT", help="What else may be read: labels, membership, properties; ssim or another metric."
        ),
    ] = None,
    servers: Annotated[
        bool, typer.Option("--servers", help="Hold each defense against each server of the run, and name what is left.")
    ] = False,
    metric: Annotated[
        str | None, typer.Option(help="What leakage is measured by; by default what the report speaks in.")
    ] = None,
    form: FormOption = "table",
) -> None:
    """Name the defenses that meet the limits, the evidence, and what was not tried. Exit status 1 where none does."""
    analysis = Analysis.of(read_run(run))
    by = metric_in(analysis, metric)
    limits = Limits(
        max_leak=parse_leak(max_leak, by),
        max_share=max_share,
        min_accuracy=min_accuracy,
        allowed=frozenset(allow or ()),
    )
    if servers:
        _advise_on_servers(analysis, by, limits, form)
    advised = {
        condition: advise([Candidate.of(one, analysis.groups, analysis.summaries, limits) for one in own], limits)
        for condition, own in by_condition(analysis.defenses(by)).items()
    }
    if form == "json":
        write_json(advice_facts(advised, limits, analysis.untested))
    else:
        print_advice(advised, limits, analysis.untested)
    raise typer.Exit(0 if all(advice.named for advice in advised.values()) else 1)
