"""Asked cells: the cells of a run whose attack asked a prediction API, each with the log of what it asked."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fedleak.analysis.conditions import Tried, chains_in, condition_of_row
from fedleak.contracts.chain import Chain
from fedleak.errors import ConfigError, RecordingError
from fedleak.evaluation.released import releasing
from fedleak.results.row import Row
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import AGAIN, FinishedRun, cell_of
from fedleak.serving.log import QueryLog, read_log

AskedModel = tuple[Path, Chain]
"""A recording, and the defenses that changed its model before it left."""


@dataclass(frozen=True)
class AskedCell:
    """A cell that is reported, by the first of its rows."""

    folder: RunFolder
    row: Row
    chain: Chain
    """The row's defenses that change a model before it leaves."""

    @property
    def recording(self) -> Path:
        """The recording of the model that it asked, as training ended with it."""
        return self.folder.recording(self.row)

    @property
    def model(self) -> AskedModel:
        """What tells the model that it asked from others; the same one for defenses that differ in answers alone."""
        return self.recording, self.chain

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
    chains = chains_in(run.campaign)
    return [AskedCell(run.folder, row, releasing(_chain_of(row, chains, run))) for row in first.values()]


def _chain_of(row: Row, chains: dict[Tried, Chain], run: FinishedRun) -> Chain:
    found = chains.get((condition_of_row(row), row.defense))
    if found is None:
        raise RecordingError(f"{run.folder.results}: experiment.toml has no defense '{row.defense}'; {AGAIN}")
    return found


def seen_cells(run: FinishedRun) -> list[AskedCell]:
    """Those whose operator saw what was asked, and not ciphertexts or shares alone."""
    return [cell for cell in asked_cells(run) if cell.log.private is None]
