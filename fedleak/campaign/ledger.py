"""Ledger: the rows of a run in the order of its plan, on disk in valid files at every moment."""

import time
from collections.abc import Iterator

from fedleak.campaign.cell import Cell, Section
from fedleak.results.check_row import CheckRow, write_checks
from fedleak.results.federation_row import FederationRow, write_federations
from fedleak.results.row import Row, write_results
from fedleak.results.tables import write_parquet
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder

PATIENCE = 1.0
"""Seconds between two writings at least; each cell is on disk anyway."""
SHARE = 20.0
"""Writing takes at most one part in so many of a run's time, however many rows there are."""


class Ledger:
    """Sections in plan order, slots in the order of the messages; a slot is filled when its cell is finished."""

    def __init__(self, folder: RunFolder, sections: list[Section]) -> None:
        self._folder = folder
        self._sections: dict[Section, dict[tuple[object, ...], tuple[Row, ...]]] = {key: {} for key in sections}
        self._federations: dict[Section, list[FederationRow]] = {key: [] for key in sections}
        self._checks: dict[Section, list[CheckRow]] = {key: [] for key in sections}
        self._open: dict[tuple[object, ...], Cell] = {}
        self._next_writing = 0.0
        self._complete = False

    def open(self) -> None:
        """What an earlier start left has been entered: from now on the files may be replaced, and none gets shorter."""
        self._complete = True
        self.write()

    def federated(self, section: Section, rows: list[FederationRow], checks: list[CheckRow]) -> None:
        """Enters what a federation was good for, and what its clients' checks measured."""
        self._federations[section], self._checks[section] = rows, checks

    def expect(self, cell: Cell) -> None:
        """Keeps the next place for a cell."""
        self._enter(cell, ())
        self._open[cell.section, _slot(cell)] = cell

    def fill(self, cell: Cell, saved: Saved) -> None:
        """Enters the rows of a finished cell; now and then writes all there are."""
        del self._open[cell.section, _slot(cell)]
        self._enter(cell, saved.rows)
        if self._complete and time.monotonic() >= self._next_writing:
            started = time.monotonic()
            self.write()
            now = time.monotonic()
            self._next_writing = now + max(PATIENCE, SHARE * (now - started))

    def add(self, section: Section, rows: list[Row]) -> None:
        """Enters rows that no cell stands for: a client that sent nothing."""
        for row in rows:
            self._sections[section][row.round, row.client, row.attack, row.metric] = (row,)

    def gather(self) -> None:
        """Enters the cells that workers finished while nobody listened any more: they are on disk."""
        for cell in self._open.values():
            saved = cell_file.finished(cell.folder.cell(cell.place), cell.address)
            if saved is not None:
                self._enter(cell, saved.rows)

    def rows(self) -> Iterator[Row]:
        """All rows there are, in plan order."""
        for slots in self._sections.values():
            for rows in slots.values():
                yield from rows

    def write(self) -> None:
        """Replaces `results.jsonl` by what there is."""
        write_results(self._folder.results, self.rows())

    def close(self) -> None:
        """Replaces all the files, unless what they hold has not been read yet."""
        if not self._complete:
            return
        self.gather()
        self.write()
        write_federations(self._folder.federations, (row for rows in self._federations.values() for row in rows))
        checks = [row for rows in self._checks.values() for row in rows]
        if checks or self._folder.checks.exists():
            write_checks(self._folder.checks, checks)
        write_parquet(self._folder.parquet, list(self.rows()))

    def _enter(self, cell: Cell, rows: tuple[Row, ...]) -> None:
        self._sections[cell.section][_slot(cell)] = rows


def _slot(cell: Cell) -> tuple[object, ...]:
    return (cell.place.round, cell.place.client, cell.place.attack)
