"""Holdings: how many examples of each class each client has, as partitioners shared them out."""

from collections.abc import Sequence
from dataclasses import dataclass

from fedleak.analysis.conditions import Condition, condition_of_row
from fedleak.errors import RecordingError
from fedleak.formatting import counted, listed
from fedleak.report.pictures import Files
from fedleak.results.row import Row

CHARTS = 4
"""Conditions that are drawn."""
MOST = 30
"""Clients, and classes, that fit into a chart."""


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """One federation of a condition, the first."""

    title: str
    counts: tuple[tuple[int, ...], ...]
    """By client, then by class; as many as fit."""
    caption: str


def holdings(files: Files, rows: Sequence[Row]) -> list[Holdings]:
    """A chart for each condition whose clients hold other examples; none where the vault does not tell."""
    first: dict[Condition, Row] = {}
    for row in rows:
        first.setdefault(condition_of_row(row), row)
    found: dict[tuple[tuple[int, ...], ...], Holdings] = {}
    for condition, row in first.items():
        try:
            held = tuple(files.holdings(row).values())
        except RecordingError:
            continue
        if held:
            found.setdefault(held, _holdings(f"{condition.words}, seed {row.seed}", held))
    return list(found.values())[:CHARTS]


def _holdings(title: str, held: tuple[tuple[int, ...], ...]) -> Holdings:
    sizes, classes = [sum(own) for own in held], [sum(count > 0 for count in own) for own in held]
    left_out = [
        f"{len(every) - MOST} further {what}"
        for what, every in (("clients", held), ("classes", held[0]))
        if len(every) > MOST
    ]
    verb, each = ("holds", "") if len(held) == 1 else ("hold", " each")
    words = f"{counted(len(held), 'client')} {verb} {_span(sizes, 'label')} of {_span(classes, 'class')}{each}"
    return Holdings(
        title=title,
        counts=tuple(own[:MOST] for own in held[:MOST]),
        caption=f"{words}; not drawn: {listed(left_out)}." if left_out else f"{words}.",
    )


def _span(numbers: Sequence[int], noun: str) -> str:
    low, high = min(numbers), max(numbers)
    return counted(low, noun) if low == high else f"{low} to {counted(high, noun)}"
