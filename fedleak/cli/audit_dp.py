"""`fedleak audit-dp`: epsilon as it is declared, accounted for and measured by canaries."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fedleak.cli.dp_table import dp_table, note, sentences
from fedleak.cli.options import FormOption, Jobs, Out, Overrides, write_json
from fedleak.cli.progress_bar import errors, shown
from fedleak.cli.run import folder_of
from fedleak.dp_audit.audit import Audited, audited, points_of
from fedleak.dp_audit.options import AuditOptions
from fedleak.dp_audit.plot import NAME as PICTURE
from fedleak.dp_audit.plot import draw
from fedleak.errors import ConfigError
from fedleak.experiment.grid import load_campaign
from fedleak.results.dp_row import DPRow, write_dp_rows
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import read_campaign


def command(
    target: Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml|RUN", help="An experiment, or a finished run.")],
    settings: Overrides = None,
    canaries: Annotated[int | None, typer.Option(min=1, help="Clients that are canaries; all without it.")] = None,
    error: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="Standard error of epsilon, as a share, that rounds go by.")
    ] = 0.05,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds, in place of as many as --error takes.")] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of intervals and lower bounds.")] = 0.95,
    verdict: Annotated[
        float, typer.Option("--verdict-confidence", min=0.5, max=0.9999, help="Of a verdict, all its tests together.")
    ] = 0.99,
    delta: Annotated[
        float | None, typer.Option(min=1e-30, max=0.5, help="Of each epsilon; the declared one, or 1e-5, without it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of coins, directions and noise.")] = 0,
    jobs: Jobs = 1,
    out: Out = None,
    form: FormOption = "table",
) -> None:
    """Measure epsilon by canaries, from what the server sees, beside what is declared and what is accounted for."""
    options = AuditOptions(
        canaries=canaries,
        error=error,
        rounds=rounds,
        confidence=confidence,
        verdict_confidence=verdict,
        delta=delta,
        seed=seed,
        jobs=jobs,
    )
    run = target.is_dir()
    if run and settings:
        raise ConfigError("--set changes an experiment, and a run is as it was; name its experiment's file")
    campaign = read_campaign(RunFolder(target)) if run else load_campaign(target, tuple(settings or ()))
    folder = out or (target if run else folder_of(campaign).with_name(f"{folder_of(campaign).name}-dp"))
    found, every = list[Audited](), list[DPRow]()
    for alike in points_of(campaign):
        for chain in audited(alike.experiment, options):
            with shown(f"auditing '{chain.name}'", "rounds"):
                found.append(chain.run())
            every.extend(alike.rows(found[-1].row))
    if not found:
        raise ConfigError("no chain of the experiment has a defense; name one under [[defenses]]")
    rows = [one.row for one in found]
    folder.mkdir(parents=True, exist_ok=True)
    path, picture = write_dp_rows(RunFolder(folder).dp_audit, every), draw(found, folder / PICTURE)
    if form == "json":
        write_json({"dp_audit": [row.facts() for row in rows], "rows": path, "picture": picture})
    else:
        console = Console(highlight=False)
        console.print(dp_table(rows))
        for sentence in sentences(rows):
            console.print(sentence, markup=False)
        console.print(note(rows), markup=False)
        errors.print(f"rows in {path}" + (f", picture in {picture}" if picture else ""), markup=False)
    raise typer.Exit(1 if any(row.verdict == "broken" for row in rows) else 0)
