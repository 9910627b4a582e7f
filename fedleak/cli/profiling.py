"""Profiles one message, or holds the indicators of a run against its attacks, and tells it."""

import json
from pathlib import Path

import typer
from rich.console import Console

from fedleak import progress
from fedleak.cli.console import progress_bar
from fedleak.cli.prediction_table import best_lines, prediction_facts, prediction_tables
from fedleak.cli.profile_table import facts_table, layer_table, notes, verdict_table
from fedleak.contracts.attack import attacks
from fedleak.errors import OutputError
from fedleak.profile.export import facts_of
from fedleak.profile.findings import findings
from fedleak.profile.prediction import Prediction, predict
from fedleak.profile.profile import Profile, profile
from fedleak.profile.subject import Subject
from fedleak.randomness import one_thread
from fedleak.runs.reading import read_run


def profile_message(subject: Subject, *, as_json: bool, png: Path | None) -> None:
    """Measures, prints, draws."""
    with progress_bar() as bar, one_thread():
        task = bar.add_task("profiling", total=None, count="")

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, count=f"{done}/{total} products")

        with progress.listening(tell):
            measured = profile(subject)
    if as_json:
        typer.echo(json.dumps(facts_of(measured, findings(measured, _known())), indent=1))
    else:
        _print(measured, Console(highlight=False))
    if png is not None:
        _require_folder(png)
        from fedleak.profile.plot import draw

        typer.echo(f"picture   {draw(measured, subject.truth, png)}", err=as_json)


def profile_run(root: Path, metric: str, *, as_json: bool, png: Path | None) -> None:
    """Profiles each message that was attacked, prints the correlations, draws the points."""
    run = read_run(root)
    with progress_bar() as bar, one_thread():
        task = bar.add_task("profiling messages", total=None, count="")

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, count=f"{done}/{total}")

        with progress.listening(tell):
            prediction = predict(run, metric)
    if as_json:
        typer.echo(json.dumps(prediction_facts(prediction), indent=1))
    else:
        _print_prediction(prediction, Console(highlight=False))
    if png is not None:
        _require_folder(png)
        from fedleak.profile.prediction_plot import draw_prediction

        typer.echo(f"picture   {draw_prediction(prediction, run.campaign.name, png)}", err=as_json)


def _print(measured: Profile, console: Console) -> None:
    console.print(measured.title, style="bold", markup=False)
    console.print(layer_table(measured))
    console.print(facts_table(measured))
    console.print()
    console.print(verdict_table(findings(measured, _known())))
    for note in notes(measured):
        console.print(note, style="dim", markup=False)


def _print_prediction(prediction: Prediction, console: Console) -> None:
    for table in prediction_tables(prediction, console.width):
        console.print(table)
    for line in best_lines(prediction):
        console.print(line, markup=False)


def _known() -> frozenset[str]:
    return frozenset(cls.name for cls in attacks)


def _require_folder(path: Path) -> None:
    if path.parent.exists() and not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: {path.parent} is not a folder")
