"""The rows of a run in the order of its plan, on disk in a valid file at every moment."""

import time
from pathlib import Path

from fedleak.campaign import cellfile
from fedleak.campaign.cell import Cell
from fedleak.campaign.cellfile import Saved
from fedleak.results import Row, write_results

PATIENCE = 1.0
"""Seconds between two writings at least; each cell is on disk anyway."""
SHARE = 20.0
"""Writing takes at most one part in so many of a run's time, however many rows there are."""


class Ledger:
    """Slots in plan order; a slot is filled when its cell is finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._slots: dict[tuple[object, ...], tuple[Row, ...]] = {}
        self._open: dict[tuple[object, ...], Cell] = {}
        self._next_writing = 0.0

    def expect(self, cell: Cell) -> None:
        """Keeps the next place for a cell."""
        self._slots[_key(cell)] = ()
        self._open[_key(cell)] = cell

    def fill(self, cell: Cell, saved: Saved) -> None:
        """Enters the rows of a finished cell; now and then writes all there are."""
        self._slots[_key(cell)] = saved.rows
        del self._open[_key(cell)]
        if time.monotonic() >= self._next_writing:
            started = time.monotonic()
            self.write()
            now = time.monotonic()
            self._next_writing = now + max(PATIENCE, SHARE * (now - started))

    def add(self, rows: list[Row]) -> None:
        """Enters rows that no cell stands for: a client that sent nothing."""
        for row in rows:
            self._slots[(row.defense, row.round, row.client, row.attack, row.metric)] = (row,)

    def gather(self) -> None:
        """Enters the cells that workers finished while nobody listened any more: they are on disk."""
        for key, cell in self._open.items():
            saved = cellfile.finished(cell.stem, cell.address)
            if saved is not None:
                self._slots[key] = saved.rows

    def rows(self) -> list[Row]:
        """All rows there are, in plan order."""
        return [row for rows in self._slots.values() for row in rows]

    def write(self) -> None:
        """Replaces the file by what there is."""
        write_results(self._path, self.rows())


def _key(cell: Cell) -> tuple[object, ...]:
    return (cell.place.defense, cell.place.round, cell.place.client, cell.place.attack)
