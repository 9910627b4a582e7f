"""`fedleak run`: an experiment from a file."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fedleak.analysis.analysis import Analysis
from fedleak.analysis.conditions import shares_sentence
from fedleak.campaign.plan import counts_of
from fedleak.campaign.workers import Engine
from fedleak.cli.options import (
    DeviceName,
    EngineName,
    Form,
    FormOption,
    Jobs,
    Out,
    Overrides,
    Overwrite,
    Plan,
    on_device,
    write_json,
)
from fedleak.cli.progress_bar import ConsoleEvents
from fedleak.cli.results_table import (
    UNTESTED,
    missing_figures,
    note_on,
    partial_figures,
    results_facts,
    results_tables,
)
from fedleak.evaluation.asked_amounts import require_amounts
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.grid import load_campaign
from fedleak.formatting import listed, opening
from fedleak.io.fingerprint import address_of
from fedleak.report.alarms import alarms
from fedleak.report.cohort_size import cohort_curves
from fedleak.report.columns import meaning
from fedleak.report.learning import rounds_lost, values_cut
from fedleak.report.tampering import beside_clean
from fedleak.report.verdict import DIAGNOSTIC, fruitless
from fedleak.run import Outcome
from fedleak.run import run as run_campaign
from fedleak.settings.adversary import ATTACKERS_SETTINGS
from fedleak.settings.server import ROW

MOST = 12
"""Attacks under defenses that are told why their guesses do not fit; the report has them all."""
PLAN_LINES = 20
"""Settings that `--plan` lists."""


def execute(
    campaign: Campaign,
    out: Path | None,
    *,
    jobs: int,
    engine: Engine,
    overwrite: bool,
    gpu: int | None = None,
    form: Form = "table",
) -> None:
    """Runs, prints, and leaves with the exit status of the run."""
    folder = out or folder_of(campaign)
    outcome = run_with_progress(campaign, folder, jobs=jobs, engine=engine, overwrite=overwrite, gpu=gpu)
    if form == "json":
        write_json({"results": results_facts(outcome.analysis.summaries), **outcome_facts(outcome)})
    else:
        show(outcome, Console(highlight=False))
    raise typer.Exit(outcome.exit_status)


def run_with_progress(
    campaign: Campaign, out: Path, *, jobs: int, engine: Engine, overwrite: bool, gpu: int | None = None
) -> Outcome:
    """Runs with progress on the screen and prints nothing else."""
    with ConsoleEvents() as events:
        return run_campaign(campaign, out, jobs=jobs, engine=engine, overwrite=overwrite, gpu=gpu, events=events)


def print_plan(campaign: Campaign, form: Form = "table") -> None:
    """What a run would do, counted; nothing is computed."""
    federations, cells = counts_of(campaign)
    tuning, calibrating = (sum(one.split == split for one in campaign.points) for split in ("tuning", "calibration"))
    if form == "json":
        settings = [{"name": _point_name(point), "split": point.split} for point in campaign.points]
        found = {"name": campaign.name, "federations": federations, "cells": cells, "settings": settings}
        write_json({**found, "defenses": _outlines(campaign)})
        return
    typer.echo(f"{campaign.name}: {len(campaign.points)} settings, {federations} federations, {cells} cells")
    if tuning:
        typer.echo(f"{tuning} of the settings only tune the attacks")
    if calibrating:
        typer.echo(f"{calibrating} of the settings only set thresholds of checks")
    for point in campaign.points[:PLAN_LINES]:
        typer.echo(f"  {' '.join(filter(None, [_point_name(point), tuned_on(point)]))}")
    if len(campaign.points) > PLAN_LINES:
        typer.echo(f"  and {len(campaign.points) - PLAN_LINES} more")
    for name, outlines in _outlines(campaign).items():
        for outline in outlines:
            typer.echo(f"{name}: {outline}")


def _outlines(campaign: Campaign) -> dict[str, list[str]]:
    """By defense, what is decided for its runs that its options leave open, each clause once."""
    found: dict[str, dict[str, None]] = {}
    for own in {repr((one.federation, one.defenses)): one for one in (p.experiment for p in campaign.points)}.values():
        for name, chain in own.build_chains().items():
            for defense in chain.planned(own.phases):
                if defense.outline:
                    found.setdefault(name, {})[defense.outline] = None
    return {name: list(outlines) for name, outlines in found.items()}


def _point_name(point: Point) -> str:
    """A setting by its federation's name, and what of it the federation does not know, or was cut off its name."""
    told = [key for key in (*ATTACKERS_SETTINGS, ROW) if key in point.setting]
    held = [f"{key.rpartition('.')[2]}={point.setting[key]}" for key in told]
    federation = point.federation or point.experiment.task.label
    return " ".join([federation, *(one for one in held if one not in federation)])


def tuned_on(point: Point) -> str:
    """Marks a setting that only tunes, or only sets thresholds."""
    return "" if point.split == "test" else f"({point.split})"


def show(outcome: Outcome, console: Console) -> None:
    """The tables, and the rest."""
    for table in results_tables(outcome.analysis.summaries, console.width):
        console.print(table)
    if outcome.rows:
        console.print(note_on(outcome.analysis.summaries))
    shares = shares_sentence(outcome.analysis.evidence.told_apart)
    if outcome.rows and shares:
        console.print(shares, markup=False)
    unaware = outcome.analysis.unaware
    if outcome.rows and unaware:
        console.print(UNTESTED.format(listed(unaware)), markup=False)
    show_rest(outcome, console)


def show_rest(outcome: Outcome, console: Console) -> None:
    """What the tables do not show, what has no figure and why, what went wrong, and the files."""
    for line in _notes(outcome):
        console.print(line, markup=False)
    if outcome.problems:
        where = f"; tracebacks in {outcome.folder.errors}" if outcome.folder.errors.exists() else ""
        console.print(f"{len(outcome.problems)} problems{where}:", markup=False)
        for problem in outcome.problems:
            console.print(f"  {problem}", markup=False)
    for what, path, hint in _files(outcome):
        if path.exists():
            console.print(f"{what:<12} {path}{hint}", markup=False, soft_wrap=True)


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "notes": [line.strip() for line in _notes(outcome)],
        "problems": outcome.problems,
        "files": {what: path for what, path, _ in _files(outcome) if path.exists()},
        "exit_status": outcome.exit_status,
    }


def _notes(outcome: Outcome) -> list[str]:
    judged = [row for row in outcome.rows if row.metric not in outcome.analysis.idle_metrics]
    return [*remarks(outcome.analysis), *missing_figures(judged), *partial_figures(judged)]


def remarks(analysis: Analysis) -> Iterator[str]:
    """What the figures do not show by themselves: fruitless attacks, an easy setting, guesses that do not fit."""
    nothing = fruitless(analysis.evidence)
    if nothing is not None:
        yield nothing
    if analysis.rows and analysis.evidence.diagnostic:
        yield DIAGNOSTIC
    yield from meaning(analysis.summaries)
    causes = [first for first, *_ in analysis.diagnoses.values()]
    if causes:
        yield "attacks that fell short by their own figures, as the attacker can tell:"
    yield from (f"  {cause.sentence}" for cause in causes[:MOST])
    if len(causes) > MOST:
        yield f"  and {len(causes) - MOST} more attacks, in the report"
    yield from analysis.idle_metrics.values()
    yield from values_cut(analysis.federations)
    yield from rounds_lost(analysis.federations)
    yield from beside_clean(analysis.federations)
    yield from (one.sentence for one in alarms(analysis.federations))
    cohorts = cohort_curves(analysis.campaign, analysis.summaries, analysis.image_metric)
    yield from (opening(one.sentence) for one in cohorts)


def _files(outcome: Outcome) -> list[tuple[str, Path, str]]:
    """What a run may leave, each with what to do with it; without attacks there is no more than recordings."""
    folder, points = outcome.folder, outcome.analysis.campaign.points
    updates = any(point.experiment.federation.split is None for point in points)
    return [
        ("report", folder.report, ""),
        ("gallery", folder.gallery, ""),
        ("classes", folder.gallery_of_classes, ""),
        ("results", folder.results, f"   (fedleak query {folder.root})"),
        ("manifest", folder.manifest, ""),
        ("recordings", folder.root / "recordings", "   (fedleak attack RECORDING --use NAME)" * updates),
        ("truth", folder.root / "vault", f"   (fedleak verify {folder.root})"),
        ("tensorboard", folder.tensorboard, f"   (tensorboard --logdir {folder.tensorboard})"),
    ]


def folder_of(campaign: Campaign) -> Path:
    """`runs/NAME-ADDRESS`: other settings, other folder."""
    words = re.sub(r"[^a-z0-9]+", "-", campaign.name.lower()).strip("-")[:40] or "run"
    return Path("runs") / f"{words}-{address_of(campaign.tree)[:8]}"


def command(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml", help="The experiment.")],
    settings: Overrides = None,
    out: Out = None,
    jobs: Jobs = 1,
    engine: EngineName = "loopback",
    device: DeviceName = None,
    overwrite: Overwrite = False,
    plan: Plan = False,
    form: FormOption = "table",
) -> None:
    """Run an experiment, or a grid of them: federations, attacks, scores, pictures, a report."""
    override, gpu = on_device(device)
    campaign = load_campaign(experiment, (*(settings or ()), *override))
    if plan:
        require_amounts((point.experiment for point in campaign.points), packaged=True)
        print_plan(campaign, form)
    else:
        execute(campaign, out, jobs=jobs, engine=engine, overwrite=overwrite, gpu=gpu, form=form)
