"""Progress bar of the terminal, on stderr; results go to stdout, so that whoever pipes them gets them alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Any, cast

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from fedleak import progress
from fedleak.campaign.events import Events
from fedleak.campaign.events import Progress as RunProgress
from fedleak.formatting import figure

FEDERATIONS_SHOWN = 8
"""Federations that get a line of their own."""
SHORT_UNIT = 4
PACE_SECONDS = 3600.0
"""How far back the pace is taken from that the time left goes by: a step of a large network may take a minute."""


class Forgiving:
    """Standard error, whatever it is at the moment; closed or full, it loses words and ends nothing."""

    @property
    def _stream(self) -> Any:
        """Not what rich puts in its place while a bar is drawn: that is no terminal, and writes above the bar."""
        return sys.stderr.rich_proxied_file if isinstance(sys.stderr, FileProxy) else sys.stderr

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError, AttributeError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            self._stream.flush()

    def isatty(self) -> bool:
        with suppress(OSError, ValueError, AttributeError):
            return bool(self._stream.isatty())
        return False

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"


errors = Console(file=cast(IO[str], Forgiving()), highlight=False)
"""What is going on."""


def progress_bar() -> Progress:
    """A bar with the time that is left; the bar takes what room the words leave, so that 80 columns are enough."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4, max_width=24)),
        TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
        TextColumn("left", table_column=Column(no_wrap=True)),
        expand=True,
        console=errors,
        speed_estimate_period=PACE_SECONDS,
        transient=True,
        disable=not errors.is_terminal,
    )


@contextmanager
def shown(what: str, unit: str = "") -> Iterator[None]:
    """Within the block a bar of this name draws the progress that is reported, counted in the unit."""
    with progress_bar() as bar:
        task = bar.add_task(what, total=None, count="")

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, count=f"{done}/{total} {unit}".rstrip())

        with progress.listening(show):
            yield


class ConsoleEvents(Events):
    """Draws a run: a line for each federation while there are few, a bar for what is going on."""

    def __init__(self) -> None:
        self._progress = progress_bar()
        self._tasks: dict[str, TaskID] = {}
        self._printed = 0

    def __enter__(self) -> "ConsoleEvents":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def federations(self, done: float, total: int) -> None:
        self._update("federations", done, total, f"{int(done)}/{total}")

    def federated(self, name: str, *, seconds: float, reused: bool) -> None:
        self._printed += 1
        if self._printed > FEDERATIONS_SHOWN:
            return
        how = "was there already" if reused else f"ran in {seconds:.1f} s"
        errors.print(f"federation '{name}' {how}", markup=False)
        if self._printed == FEDERATIONS_SHOWN:
            errors.print("and so on; the bar counts the others")

    def cells(self, progress: RunProgress) -> None:
        if progress.total:
            self._update("attacks", progress.done, progress.total, _counts(progress))

    def problem(self, sentence: str) -> None:
        errors.print(f"problem: {sentence}", style="yellow", markup=False, soft_wrap=True)

    def drawing(self, what: str) -> None:
        errors.print(f"drawing the {what}")

    def judging(self, done: int, total: int) -> None:
        self._update("judging queries", float(done), total, f"{done}/{total}")

    def _update(self, name: str, done: float, total: int, count: str) -> None:
        """A bar of its own for what begins, and none for what is over."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, count=count)
        over = done >= total
        self._progress.update(self._tasks[name], completed=done, total=total, count=count, visible=not over)


def _counts(progress: RunProgress) -> str:
    """`12/200 cells, 3 failing, worst 12.0, best 37.1 dB`."""
    words = [f"{int(progress.done)}/{progress.total} cells"]
    if progress.failing:
        words.append(f"{progress.failing} failing")
    if progress.best is not None and progress.worst is not None:
        unit = progress.best.unit if len(progress.best.unit) <= SHORT_UNIT else progress.best.metric
        words.append(f"worst {figure(progress.worst.value)}, best {figure(progress.best.value)} {unit}")
    return ", ".join(words)
