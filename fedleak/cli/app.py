"""The `fedleak` command: its subcommands, and what a person sees of an error.

That is one sentence and an exit status; a traceback is for bugs alone. Commands are deferred: parameters and help are
read from source, and the module, which imports all that it works with, is imported when the command is called.
"""

import ast
import errno
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from keyword import iskeyword
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import click
import typer
from typer.core import TyperGroup

from fedleak import __version__
from fedleak.cli import options
from fedleak.errors import FedleakError, OutputError
from fedleak.processes.preload import warm_up

ENTRY = "command"
"""The function that is the command, in each command's file."""
COMMANDS = {
    "demo": True,
    "run": True,
    "compare": True,
    "detect": True,
    "advise": True,
    "import": True,
    "attack": True,
    "serve": True,
    "profile": True,
    "verify": True,
    "check": True,
    "audit": True,
    "audit-queries": True,
    "audit-dp": True,
    "query": False,
    "report": True,
    "list": False,
    "cite": False,
    "claims": False,
    "doctor": False,
}
"""The commands in the order of the help, each a file of its own; whether it begins by loading PyTorch and Flower."""
RESUMED = ("demo", "run", "compare", "detect", "check")
"""Those that play an experiment and go on where they were."""
INTERRUPTED, TERMINATED = 130, 143
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def deferred(name: str, *, heavy: bool) -> Callable[..., None]:
    """The command in its file: signature, docstring, and a body that calls it."""
    module = module_of(name)
    declared = declaration(Path(__file__).with_name(f"{module}.py"))

    @wraps(declared)
    def call(**given: Any) -> None:
        if heavy:
            options.say_loading()
            warm_up(workers(given))
        resolve_name(f"fedleak.cli.{module}:{ENTRY}")(**given)

    return call


def module_of(name: str) -> str:
    """The file of a command: a dash is an underscore, and what is a word of Python's has one behind it."""
    return f"{name}_" if iskeyword(name) else name.replace("-", "_")


def declaration(path: Path) -> Callable[..., None]:
    """The function without its body; what its parameters are made of is found in `fedleak.cli.options`."""
    tree = ast.parse(path.read_text(encoding="utf-8"), path)
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == ENTRY)
    found.body = found.body[:1]  # the docstring
    scope = dict(vars(options))
    exec(compile(ast.Module([found], []), path, "exec"), scope)
    declared: Callable[..., None] = scope[ENTRY]
    declared.__doc__ = inspect.cleandoc(declared.__doc__ or "")
    return declared


def workers(given: Mapping[str, Any]) -> int:
    """Processes that will work on this machine: they load PyTorch while this one does."""
    target = given.get("target")
    judged = target is not None and (target.is_dir() or target.suffix != ".toml")
    idle = given.get("plan") or given.get("engine") == "ray" or judged
    return 1 if idle else given.get("jobs", 1)


class TerminatedError(KeyboardInterrupt):
    """The system asked the process to end (SIGTERM)."""


class Polite(TyperGroup):
    """Turns our own errors, Ctrl-C, a full disk and a closed pipe into a sentence and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the subcommand."""
        try:
            return super().invoke(ctx)
        except FedleakError as error:
            _leave(ctx, str(error), error.exit_status)
        except KeyboardInterrupt as error:
            status = TERMINATED if isinstance(error, TerminatedError) else INTERRUPTED
            kept = "; what was finished is kept, and the same command goes on from there"
            _leave(ctx, "interrupted" + (kept if ctx.invoked_subcommand in RESUMED else ""), status)
        except BrokenPipeError:
            # Whoever read our output has enough of it; Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            _leave(ctx, f"cannot write {error.filename or 'the output'}: {error.strerror}", OutputError.exit_status)
        return None


def _leave(ctx: click.Context, sentence: str, status: int) -> None:
    interrupted = status in (INTERRUPTED, TERMINATED)
    if ctx.params.get("debug") and not interrupted:
        raise
    with suppress(OSError):  # where nobody can hear it, the exit status says it
        typer.echo(sentence if interrupted else f"error: {sentence}", err=True)
    ctx.exit(status)


app = typer.Typer(
    cls=Polite,
    no_args_is_help=True,
    add_completion=False,
    suggest_commands=False,  # click suggests too, and twice is once too often
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


for _name, _heavy in COMMANDS.items():
    app.command(name=_name)(deferred(_name, heavy=_heavy))


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
