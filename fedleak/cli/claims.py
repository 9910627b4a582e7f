"""`fedleak claims`: what a setting of differential privacy is worth, without a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from fedleak.claims.claimed import Claimed, shown
from fedleak.claims.file import claims_of
from fedleak.claims.flower_app import claims_in
from fedleak.cli.options import FormOption, write_json
from fedleak.errors import ConfigError
from fedleak.formatting import counted

COLOURS = {"holds": "green", "broken": "bold red", "nothing claimed": "yellow", "no guarantee": "bold red"}


def command(
    target: Annotated[
        Path, typer.Argument(metavar="FILE|APP", help="[[claims]] or an experiment as TOML, or a Flower app's folder.")
    ],
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A field of every setting, as in rounds=10; repeatable."),
    ] = None,
    form: FormOption = "table",
) -> None:
    """Say what settings of differential privacy are worth, and what is wrong in them; nothing is run.

    Exit status: 0 all hold or claim nothing, 1 one is broken or gives no guarantee, 2 something to mend in the input.
    """
    values = dict(_field(one) for one in given or ())
    found = claims_in(target, values) if target.is_dir() else claims_of(target, values)
    if form == "json":
        write_json([_facts(one) for one in found])
    else:
        console = Console(highlight=False)
        for one in found:
            if one.figures or one.declared is not None:
                _print(console, one)
        for reason in dict.fromkeys(one.wrong for one in found if not one.figures and one.declared is None):
            names = ", ".join(one.title for one in found if one.wrong == reason and not one.figures)
            console.print(f"nothing claimed: {names}: {'; '.join(reason)}", markup=False)
    if any(one.verdict in ("broken", "no guarantee") for one in found):
        raise typer.Exit(1)


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set: expected FIELD=VALUE, as in rounds=10; got {text!r}")
    import tomllib

    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value


def _print(console: Console, claimed: Claimed) -> None:
    title = f"{claimed.title}: protects each {claimed.protects}, against {claimed.against}"
    console.print(title, markup=False)
    if claimed.figures:
        console.print(_table(claimed))
    console.print(f"[{COLOURS[claimed.verdict]}]{claimed.sentence}[/]")
    for kind, lines in (
        ("wrong", claimed.wrong),
        ("mind that", claimed.mind),
        ("provided that", claimed.provided),
        ("also", _some(claimed.also)),
    ):
        for line in lines:
            console.print(f"  {kind}: {line}", markup=False)
    console.print()


def _some(text: str) -> Sequence[str]:
    return (text,) if text else ()


def _table(claimed: Claimed) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("relation")
    table.add_column("epsilon\nof a round", justify="right")
    table.add_column(f"over {counted(claimed.rounds, 'round')}\nat delta {claimed.delta:g}", justify="right")
    table.add_column("sampling")
    for one in claimed.figures:
        credit = f"credit for {one.run.credit}" if one.run.credit else one.run.note or "no credit"
        table.add_row(one.relation, shown(one.round.epsilon), shown(one.run.epsilon), credit)
    return table


def _facts(claimed: Claimed) -> dict[str, Any]:
    return {
        "use": claimed.use,
        "where": claimed.where,
        "protects": claimed.protects,
        "against": claimed.against,
        "verdict": claimed.verdict,
        "sentence": claimed.sentence,
        "declared": claimed.declared,
        "rounds": claimed.rounds,
        "delta": claimed.delta,
        "figures": [
            {"relation": one.relation, "round": one.round.epsilon, "run": one.run.epsilon, "credit": one.run.credit}
            for one in claimed.figures
        ],
        "wrong": claimed.wrong,
        "mind": claimed.mind,
        "provided": claimed.provided,
        "also": claimed.also,
    }
