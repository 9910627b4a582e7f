"""What a person sees when something goes wrong: one sentence and an exit status; a traceback only for bugs."""

import errno
import os
import sys
from contextlib import suppress
from typing import Any

import click
import typer
from typer.core import TyperGroup

from fedleak.errors import FedleakError, OutputError

INTERRUPTED, TERMINATED = 130, 143
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


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
            _leave(ctx, "interrupted; what was finished is kept, and the same command goes on from there", status)
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
