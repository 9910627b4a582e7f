"""Asked cells: the cells of a run whose attack asked a prediction API, each with the log of what it asked."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fedleak.errors import ConfigError, RecordingError
from fedleak.results.row import Row
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import AGAIN, FinishedRun, cell_of
from fedleak.serving.log import QueryLog, read_log


@dataclass(frozen=True)
class AskedCell:
    """A cell that is reported, by the first of its rows."""

    folder: RunFolder
    row: Row

    @property
    def model(self) -> Path:
        """The recording of the model that it asked; the same one for defenses that differ in answers alone."""
        return self.folder.recording(self.row)

    @cached_property
    def log(self) -> QueryLog:
        """All that it asked; raises `RecordingError` where the log is missing, damaged, or another cell's."""
        path = self.folder.queries(self.row)
        log = read_log(path)
        found, told = (len(log), int(log.refused.sum())), (self.row.queries, self.row.refused)
        if found != told:
            raise RecordingError(
                f"{path}: expected {told[0]} queries of which {told[1]} were refused, as results.jsonl says, got "
                f"{found[0]} and {found[1]}; {AGAIN}"
            )
        return log


def asked_cells(run: FinishedRun) -> list[AskedCell]:
    """The cells in the order of the results; raises `ConfigError` where no attack asked anything."""
    first: dict[object, Row] = {}
    for row in run.rows:
        if row.split == "test" and row.queries:
            first.setdefault(cell_of(row), row)
    if not first:
        raise ConfigError(
            f"no attack of {run.folder.root} asked a prediction API, so that there is no traffic; expected a run with "
            "adversary.queries and an attack on a service, such as confidence-inversion"
        )
    return [AskedCell(run.folder, row) for row in first.values()]


def seen_cells(run: FinishedRun) -> list[AskedCell]:
    """Those whose operator saw what was asked, and not ciphertexts or shares alone."""
    return [cell for cell in asked_cells(run) if cell.log.private is None]
