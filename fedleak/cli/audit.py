"""`fedleak audit`: somebody's Flower app, as it stands, and what its server could see."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fedleak.audit.run import audit_app
from fedleak.cli.audit_table import print_audit
from fedleak.cli.options import FormOption, write_json
from fedleak.cli.progress_bar import errors


def command(
    app: Annotated[Path, typer.Argument(metavar="APP", help="The folder of a Flower app, with its pyproject.toml.")],
    config: Annotated[
        list[str] | None, typer.Option("--run-config", "-c", help="Overrides of its run config, as of `flwr run`.")
    ] = None,
    engine: Annotated[
        Literal["loopback", "simulation"],
        typer.Option(help="What runs it: one process, or Flower's own simulation on Ray, which takes a minute more."),
    ] = "loopback",
    clients: Annotated[int, typer.Option(min=1, help="How many clients are connected.")] = 2,
    node_config: Annotated[
        list[str] | None, typer.Option(help="More of each node's config, as KEY=VALUE; partition-id is set.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of training that are looked at; then it is stopped.")] = 1,
    attacked: Annotated[int, typer.Option(min=1, help="Updates that are attacked, from the first on.")] = 1,
    attacks: Annotated[
        list[str] | None, typer.Option("--attack", help="By name; without any, one of each kind.")
    ] = None,
    facts: Annotated[
        Path | None, typer.Option(metavar="FACTS.toml", help="What was asked for and no hook showed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the attacks, and of torch as the app begins.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of what is found; runs/audit-FOLDER without it.")] = None,
    allow: Annotated[
        int | None, typer.Option(min=0, help="Examples that may come back as it is; more end with status 1.")
    ] = None,
    form: FormOption = "table",
) -> None:
    """Audit a Flower app, unchanged: what its clients train, what crosses the wire, and what attacks make of it."""
    folder = out or Path("runs") / f"audit-{app.resolve().name}"
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("starting", total=None)
        result = audit_app(
            app,
            folder,
            run_config=config or (),
            node_config=node_config or (),
            answers=facts,
            told=lambda words: progress.update(task, description=words),
            engine=engine,
            clients=clients,
            rounds=rounds,
            attacked=attacked,
            attacks=tuple(attacks or ()),
            seed=seed,
        )
    if form == "json":
        write_json(result.facts)
    else:
        print_audit(result.facts, result.folder)
    masked = any(one["verdict"] == "masked" for one in result.facts["updates"])
    looked = result.facts["attacks"] if allow is None else result.judged
    if not looked and not masked:
        raise typer.Exit(2)
    if allow is not None and result.judged and result.leaked > allow:
        raise typer.Exit(1)
