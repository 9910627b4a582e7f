"""Progress on stderr, results on stdout; whoever pipes the results gets them alone."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fedleak.campaign.events import Events

errors = Console(stderr=True, highlight=False)
"""What is going on."""


def progress_bar() -> Progress:
    """A bar with the time that is left."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )


class ConsoleEvents(Events):
    """Draws a run: a line for each federation, a bar for what is going on."""

    def __init__(self) -> None:
        self._progress = progress_bar()
        self._federation: TaskID | None = None
        self._cells: TaskID | None = None

    def __enter__(self) -> "ConsoleEvents":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def federation(self, defense: str, done: int, total: int) -> None:
        if self._federation is None:
            self._federation = self._progress.add_task(f"federation '{defense}'", total=total, count="")
        self._progress.update(self._federation, completed=done, total=total, count=f"{done}/{total} replies")

    def federated(self, defense: str, *, seconds: float, reused: bool) -> None:
        if self._federation is not None:
            self._progress.remove_task(self._federation)
            self._federation = None
        how = "was there already" if reused else f"ran in {seconds:.1f} s"
        errors.print(f"federation '{defense}' {how}")

    def cells(self, done: float, total: int) -> None:
        if not total:
            return
        if self._cells is None:
            errors.print("attacking what the server saw")
            self._cells = self._progress.add_task("attacks", total=total, count="")
        self._progress.update(self._cells, completed=done, total=total, count=f"{int(done)}/{total} cells")

    def problem(self, sentence: str) -> None:
        errors.print(f"problem: {sentence}", style="yellow", markup=False, soft_wrap=True)

    def drawing(self, what: str) -> None:
        errors.print(f"drawing the {what}")
