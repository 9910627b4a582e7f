"""Convergence curves: an attack over its iterations, its own loss and, which only we can see, the quality."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fedleak.analysis.evidence import defense_words
from fedleak.report.pictures import Files, message_words
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.runs.cell_file import Saved

ATTACKS = 3
"""Attacks that are drawn."""
SERIES = 8
"""Lines in a chart."""
Points = Sequence[tuple[float, float]]
Intervals = Sequence[tuple[float, float, float]]
"""Where along the horizontal axis, and both ends."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A line chart: what is drawn, by the name of each line; a line without points has no place but keeps its color."""

    title: str
    over: str
    """What is counted along the horizontal axis."""
    points: Mapping[str, Points]
    log: bool = False
    share: bool = False
    """Whether the values are shares, drawn from none to all, so that a small difference looks small."""
    lowest: float | None = None
    """Of a ROC of few false alarms: where both axes begin, which are then logarithmic and end at 1."""
    intervals: Mapping[str, Intervals] = field(default_factory=dict)
    """Of lines whose points have some, by name."""
    at: tuple[float, ...] = ()
    """Where the horizontal axis has its figures, where there are few places; empty: at round values."""


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Both charts of one attack on one message, a line for each defense."""

    attack: str
    caption: str
    loss: Lines | None
    quality: Lines | None


def curves(files: Files, rows: Sequence[Row]) -> list[Curves]:
    """Charts for the attacks that iterate; each on one message, the same under every defense."""
    charts = []
    for attack in dict.fromkeys(row.attack for row in rows):
        attack_rows = [row for row in rows if row.attack == attack]
        saved = _same_message(files, attack_rows)
        if any(cell.guess.trace or cell.quality for cell in saved.values()):
            charts.append(_curves(attack, attack_rows, saved))
        if len(charts) == ATTACKS:
            break
    return charts


def lines_of(
    title: str,
    over: str,
    points: Mapping[str, Points],
    *,
    log: bool = False,
    share: bool = False,
    lowest: float | None = None,
    intervals: Mapping[str, Intervals] | None = None,
    at: tuple[float, ...] = (),
) -> Lines | None:
    """The chart of all points that can be drawn; None where there is none."""
    usable = {name: _usable(own, log=log) for name, own in points.items()}
    if not any(usable.values()):
        return None
    known = {name: [one for one in own if math.isfinite(one[1])] for name, own in (intervals or {}).items()}
    return Lines(title=title, over=over, points=usable, log=log, share=share, lowest=lowest, intervals=known, at=at)


def _same_message(files: Files, rows: Sequence[Row]) -> dict[str, Saved]:
    """The cells of the first message, by defense; for a sum, the one that the client is in."""
    first = rows[0]
    cells: dict[str, Saved] = {}
    for row in rows:
        same = (row.task, row.setting, row.seed, row.round) == (first.task, first.setting, first.seed, first.round)
        if same and row.client in (first.client, AGGREGATE) and len(cells) < SERIES:
            title = defense_words(row.defense, row.client)
            if title not in cells and (saved := files.cell(row)) is not None:
                cells[title] = saved
    return cells


def _curves(attack: str, rows: Sequence[Row], saved: Mapping[str, Saved]) -> Curves:
    losses = {name: [(float(p.iteration), p.loss) for p in cell.guess.trace] for name, cell in saved.items()}
    quality = {name: [(float(i), value) for i, value in cell.quality] for name, cell in saved.items()}
    return Curves(
        attack=attack,
        caption=f"{attack} on the message of {message_words(rows[0])}, under each defense",
        loss=lines_of("the attacker's own loss", "iterations", losses, log=True),
        quality=lines_of("quality of its guess, PSNR in dB", "iterations", quality),
    )


def _usable(points: Points, *, log: bool) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log)]
