"""What the commands that load no PyTorch take: processor and clock seconds of whole processes, the best of some.

    python benchmarks/startup.py RUN [repeats] [TREE ...]

RUN is the folder of a finished run, for `fedleak query`. With trees (checkouts, or an unpacked wheel) each is measured
in turn, so that they are compared on one machine in one mood; the tree of this file by default. `typer --help` is what
the help of a command takes that does nothing: ours cannot take less.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

FLOOR = """
import typer
app = typer.Typer(rich_markup_mode="rich", add_completion=False)
app.command()(lambda: None)
app.callback()(lambda: None)
app()
"""


def commands(run: Path) -> dict[str, list[str]]:
    """The arguments of Python by what is shown."""
    fedleak = ["-m", "fedleak"]
    return {
        "python": ["-c", "pass"],
        "typer --help": ["-c", FLOOR, "--help"],
        "--help": [*fedleak, "--help"],
        "list attacks": [*fedleak, "list", "attacks"],
        "cite dlg": [*fedleak, "cite", "dlg"],
        "query RUN SQL": [*fedleak, "query", str(run), "SELECT count(*) FROM results"],
    }


def seconds(arguments: Sequence[str], tree: Path) -> tuple[float, float]:
    """Of one process: processor seconds of its own code, and those of the clock."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.perf_counter()
    with tempfile.TemporaryDirectory() as elsewhere:  # where one stands is first on Python's path
        subprocess.run(
            [sys.executable, *arguments],
            cwd=elsewhere,
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, time.perf_counter() - started


def rows(run: Path, repeats: int, trees: Sequence[Path]) -> Iterator[str]:
    """A line for each command and tree; the first process of each is not counted, as it warms the disk."""
    for name, arguments in commands(run).items():
        taken: dict[Path, list[tuple[float, float]]] = {tree: [] for tree in trees}
        for _ in range(repeats + 1):
            for tree in trees:
                taken[tree].append(seconds(arguments, tree))
        for tree, timed in taken.items():
            user, wall = (min(column) for column in zip(*timed[1:], strict=True))
            yield f"{name:<16}{user:>8.2f}{wall:>8.2f}   {tree}"


def main(run: str, repeats: str = "5", *trees: str) -> None:
    """Prints the table."""
    own = Path(__file__).resolve().parents[1]
    sys.stdout.write(f"{'command':<16}{'user s':>8}{'wall s':>8}   tree\n")
    for row in rows(Path(run).resolve(), int(repeats), [Path(tree).resolve() for tree in trees] or [own]):
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
