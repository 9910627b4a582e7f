"""Table of a DP audit: a line for each chain, and below it each verdict in a sentence."""

import math
from collections.abc import Sequence

from rich import box
from rich.table import Table

from fedleak.formatting import DASH, counted, figure, opening, percent
from fedleak.results.dp_row import DPRow

NOTE = (
    "epsilon of one release (a round's message, sum, model or step), lower is better. declared: as the setting "
    "names it; accounted: by the accountant; measured: estimated from canaries, with its interval at {confidence}"
)
STYLES = {"holds": "green", "broken": "bold red", "open": "yellow", "no claim": ""}


def dp_table(rows: Sequence[DPRow]) -> Table:
    """Declared, accounted, measured and the verdict, of one release and of the run."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("defense", "seen", "declared", "accounted", "measured", "verdict"):
        table.add_column(name, justify="right" if name in ("declared", "accounted", "measured") else "left")
    for row in rows:
        table.add_row(
            row.defense,
            row.view,
            f"{_shown(row.declared)} a {row.declared_of}" if row.declared_of else DASH,
            _shown(row.accounted),
            _between(row.measured, row.low, row.high),
            row.verdict,
            style=STYLES[row.verdict] if row.verdict == "broken" else "",
        )
    return table


def sentences(rows: Sequence[DPRow]) -> list[str]:
    """What each verdict rests on."""
    return [sentence for row in rows for sentence in _of(row)]


def _of(row: DPRow) -> list[str]:
    if row.verdict == "no claim":
        return [f"{row.defense}: {row.sentence}"]
    run = _between(row.measured_run, row.low_run, row.high_run)
    return [
        f"{row.defense}: {row.sentence}",
        f"  {row.terms}, delta {row.delta:.0e}; canaries: {row.canaries:,} in {counted(row.releases, 'release')}, with "
        f"which an ideal attacker would show {_shown(row.ideal)}; at least {_shown(row.bound)} whatever the mechanism; "
        f"over {counted(row.rounds, 'round')} {_shown(row.accounted_run)} accounted for, {run} measured",
    ]


def note(rows: Sequence[DPRow]) -> str:
    """What the figures mean."""
    return opening(NOTE.format(confidence=percent(rows[0].confidence)))


def _between(value: float, low: float, high: float) -> str:
    return DASH if math.isnan(value) else f"{_shown(value)} ({_shown(low)} to {_shown(high)})"


def _shown(value: float) -> str:
    return "infinite" if math.isinf(value) else figure(value)
