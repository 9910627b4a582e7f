"""The `fedleak` command: its subcommands, and what its errors look like."""

from typing import Annotated

import typer

from fedleak import __version__
from fedleak.cli.advise import advise
from fedleak.cli.attack import attack
from fedleak.cli.check import check
from fedleak.cli.cite import cite
from fedleak.cli.compare import compare
from fedleak.cli.demo import demo
from fedleak.cli.doctor import doctor
from fedleak.cli.errors import Polite
from fedleak.cli.listing import list_plugins
from fedleak.cli.profile import profile
from fedleak.cli.query import query
from fedleak.cli.report import report
from fedleak.cli.run import run
from fedleak.cli.verify import verify

app = typer.Typer(
    cls=Polite,
    no_args_is_help=True,
    add_completion=False,
    suggest_commands=False,  # click suggests too, and twice is once too often
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(run)
app.command()(compare)
app.command()(advise)
app.command()(attack)
app.command()(profile)
app.command()(verify)
app.command()(check)
app.command()(query)
app.command()(report)
app.command(name="list")(list_plugins)
app.command()(cite)
app.command()(doctor)


def _say_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"fedleak {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Say the version.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """What do federated-learning updates leak? A real federation, a curious server that taps it, honest scores."""
