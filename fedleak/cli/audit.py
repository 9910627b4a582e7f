"""`fedleak audit`: somebody's Flower app, as it stands, and what its server could see."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fedleak.audit.app import read_app
from fedleak.audit.fitting import QUICK, fitting
from fedleak.audit.run import audit_app
from fedleak.audit.verdict import REPORT
from fedleak.cli.audit_table import print_audit
from fedleak.cli.check import verdict_facts
from fedleak.cli.options import FormOption, write_json
from fedleak.cli.progress_bar import errors
from fedleak.gate.audits import check_audit, vocabulary_of
from fedleak.gate.policy import Policy, load_policy
from fedleak.gate.terminal import verdict_lines
from fedleak.gate.validation import validate
from fedleak.report.audit_page import write_audit_report


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
    attacks: Annotated[list[str] | None, typer.Option("--attack", help="By name; without any, all that fit.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Try one attack of each family instead.")] = False,
    minutes: Annotated[float, typer.Option(min=0, help="After which no attack goes on.")] = 15.0,
    facts: Annotated[
        Path | None, typer.Option(metavar="FACTS.toml", help="What was asked for and no hook showed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the attacks, and of torch as the app begins.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of what is found; runs/audit-FOLDER without it.")] = None,
    allow: Annotated[
        int | None, typer.Option(min=0, help="Examples that may come back as it is; more end with status 1.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", "-p", metavar="TOML", help="Rules for the updates as they are."),
    ] = None,
    form: FormOption = "table",
) -> None:
    """Audit a Flower app, unchanged: what its clients train, what crosses the wire, and what attacks make of it."""
    rules = None if policy is None else _policy(policy, app, tuple(attacks or ()), quick=quick)
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
            quick=quick,
            minutes=minutes,
            seed=seed,
        )
    write_audit_report(result, result.folder / REPORT)
    verdict = None if rules is None else check_audit(result, rules)
    if form == "json":
        write_json(result.facts if verdict is None else {**result.facts, "policy": verdict_facts(verdict)})
    else:
        print_audit(result.facts, result.folder)
        for line in () if verdict is None else verdict_lines(verdict):
            typer.echo(line)
    if verdict is not None and verdict.exit_status:
        raise typer.Exit(verdict.exit_status)
    masked = any(one["verdict"] == "masked" for one in result.facts["updates"])
    looked = result.facts["attacks"] if allow is None else result.judged
    if verdict is None and not looked and not masked:
        raise typer.Exit(2)
    if allow is not None and result.judged and result.leaked > allow:
        raise typer.Exit(1)


def _policy(path: Path, app: Path, attacks: tuple[str, ...], *, quick: bool) -> Policy:
    """The policy, refused before the app is started where a name in it is a slip or of what will not be tried."""
    policy = load_policy(path)
    chosen = attacks or (QUICK if quick else fitting())
    validate(policy, vocabulary_of(read_app(app, ()).name, chosen))
    return policy
