"""What defenses take from servers that cheat, and what they cost: Markdown tables of a run of `servers-defended.toml`.

    fedleak run fedleak/presets/servers-defended.toml --jobs 2 --out runs/servers-defended
    python benchmarks/servers_defended.py runs/servers-defended

Through secure aggregation of each server the share of the examples at 40 dB PSNR or more, and their mean PSNR, of the
attacker that knows the defense and, behind a slash, of the one that does not; of two that are tried the one with more.
Where an attack has no guess nothing counts as rebuilt, and the prior's figures are taken. Intervals are of 95%,
Student's t over seeds.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fedleak.results.federation_row import FederationRow, read_federations
from fedleak.results.row import Row, read_results
from fedleak.results.schema import AGGREGATE
from fedleak.runs.folder import RunFolder
from fedleak.statistics.intervals import Units, student

EXACT = 40.0
"""PSNR in dB from which an example counts as rebuilt."""
PLAIN = " plain"
"""How the label of an attacker ends that takes no notice of defenses."""
HONEST, SINGLE = "honest", "single messages"
"""A server by its name, and what its column is headed by."""


def rebuilt(row: Row) -> float:
    """The share of the examples at 40 dB or more."""
    return statistics.fmean(value >= EXACT for value in row.per_sample) if row.per_sample else 0.0


def mean(row: Row) -> float:
    """The mean PSNR in dB; the prior's where there is no guess."""
    return row.baseline if math.isnan(row.value) else row.value


def attacked(rows: Iterable[Row], server: str) -> Iterator[Row]:
    """The rows of a server's sums, or of an honest one's messages."""
    for row in rows:
        summed = row.client == AGGREGATE
        if server == SINGLE:
            if row.server == HONEST and row.algorithm != "prior":
                yield row
        elif row.server == server and summed:
            yield row


def interval(values: list[float], digits: int, bounds: tuple[float, float]) -> str:
    """Mean and 95% interval within bounds."""
    found = student(Units.of(values, range(len(values)), clusters=1))
    low, high = max(found.low, bounds[0]), min(found.high, bounds[1])
    return f"{statistics.fmean(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What a cell of a table is about."""

    title: str
    of: Callable[[Row], float]
    digits: int
    bounds: tuple[float, float]

    def cell(self, rows: list[Row]) -> str:
        """Of the best attacker that knows the defense, with its interval, and of the best one that does not."""
        forms = {}
        for plain in (False, True):
            tried: dict[str, list[float]] = {}
            for row in rows:
                if row.attack.endswith(PLAIN) is plain:
                    tried.setdefault(row.attack, []).append(self.of(row))
            forms[plain] = max(tried.values(), key=statistics.fmean, default=[])
        if not forms[False]:
            return ""
        behind = f" / {statistics.fmean(forms[True]):.{self.digits}f}" if forms[True] else ""
        return interval(forms[False], self.digits, self.bounds) + behind


FIGURES = (
    Figure(title="Share at 40 dB or more", of=rebuilt, digits=2, bounds=(0.0, 1.0)),
    Figure(title="Mean PSNR in dB", of=mean, digits=1, bounds=(-math.inf, math.inf)),
)


def table(rows: list[Row], federations: list[FederationRow], figure: Figure) -> Iterator[str]:
    """A row for each defense, a column for each server, and the accuracy with an honest one."""
    servers = [*dict.fromkeys(row.server for row in rows if row.server != HONEST)]
    servers += [SINGLE] if any(True for _ in attacked(rows, SINGLE)) else []
    last = max((row.round for row in federations if not math.isnan(row.accuracy)), default=0)
    yield "| defense | accuracy | " + " | ".join(servers) + " |"
    yield "|---" * (len(servers) + 2) + "|"
    for defense in dict.fromkeys(row.defense for row in rows):
        own = [row for row in rows if row.defense == defense]
        learned = [row.accuracy for row in federations if row.defense == defense and row.round == last]
        cells = [interval(learned, 2, (0.0, 1.0)) if learned else ""]
        cells += [figure.cell(list(attacked(own, server))) for server in servers]
        yield f"| {defense} | " + " | ".join(cells) + " |"
    priors = [[row.baseline for row in attacked(rows, server)] for server in servers]
    if figure.of is mean:
        yield "| prior | | " + " | ".join(f"{statistics.fmean(one):.1f}" for one in priors) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    folder = RunFolder(parser.parse_args().run)
    rows = [row for row in read_results(folder.results) if row.metric == "psnr"]
    federations = list(read_federations(folder.federations))
    lines = [line for figure in FIGURES for line in (figure.title, "", *table(rows, federations, figure), "")]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
