"""Attacks over their iterations: the attacker's own loss, and beside it what only we can see, the quality."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.evidence import defense_words
from fedleak.report.chart import Axis, Label, Tick, axis_over, path_through, spread
from fedleak.report.pictures import Files, message_words
from fedleak.results.row import AGGREGATE, Row
from fedleak.runs.cell_file import Saved

LEFT, RIGHT, TOP, BOTTOM = 48.0, 262.0, 14.0, 206.0
GAP = 15.0
ATTACKS = 3
"""Attacks that are drawn."""
SERIES = 8
"""Lines in a chart."""
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line, and the words at its end."""

    path: str
    label: Label


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over iterations."""

    title: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Both charts of one attack on one message, a line for each defense."""

    attack: str
    caption: str
    loss: Chart | None
    quality: Chart | None


def curves(files: Files, rows: Sequence[Row]) -> list[Curves]:
    """Charts for the attacks that iterate; each on one message, the same under every defense."""
    found = []
    for attack in dict.fromkeys(row.attack for row in rows):
        own = [row for row in rows if row.attack == attack]
        saved = _same_message(files, own)
        if any(cell.guess.trace or cell.quality for cell in saved.values()):
            found.append(_curves(attack, own, saved))
        if len(found) == ATTACKS:
            break
    return found


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
        loss=chart("the attacker's own loss", losses, log=True),
        quality=chart("quality of its guess, PSNR in dB", quality),
    )


def chart(title: str, lines: Mapping[str, Points], *, log: bool = False) -> Chart | None:
    """The lines over one pair of axes, each labelled at its end; None where there is nothing to draw."""
    usable = {name: _usable(points, log=log) for name, points in lines.items()}
    x = axis_over((x for points in usable.values() for x, _ in points), LEFT, RIGHT, margin=0.0)
    y = axis_over((y for points in usable.values() for _, y in points), BOTTOM, TOP, log=log)
    if x is None or y is None:
        return None
    return Chart(
        title=title,
        curves=tuple(_drawn(usable, x, y)),
        x_ticks=tuple(x.ticks(3)),
        y_ticks=tuple(y.ticks()),
    )


def _drawn(lines: Mapping[str, Points], x: Axis, y: Axis) -> Iterable[Curve]:
    """A defense keeps its colour in every chart, also where another has no line."""
    numbered = [(i, name, points) for i, (name, points) in enumerate(lines.items()) if points]
    places = spread([y.at(points[-1][1]) for _, _, points in numbered], GAP, TOP, BOTTOM)
    for (i, name, points), place in zip(numbered, places, strict=True):
        end = points[-1]
        label = Label(text=name, series=i, x=x.at(end[0]), y=y.at(end[1]), label_y=place)
        yield Curve(path=path_through((x.at(a), y.at(b)) for a, b in points), label=label)


def _usable(points: Points, *, log: bool) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log)]
