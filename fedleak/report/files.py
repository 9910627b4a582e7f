"""What lies behind a row: the saved guess and the truth, each read once, missing files reported as missing."""

from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from fedleak.errors import RecordingError
from fedleak.evaluation import scoring
from fedleak.learning.batch import Batch
from fedleak.results.row import Row
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder
from fedleak.runs.truth import truth_behind


@dataclass(frozen=True)
class Files:
    """Reads a run folder for the page. None stands for what is missing or damaged: a page can be made without."""

    folder: RunFolder
    _cells: dict[Path, Saved | None] = field(default_factory=dict)
    _truths: dict[Path, Batch | None] = field(default_factory=dict)

    def cell(self, row: Row) -> Saved | None:
        """The saved cell of a row."""
        stem = self.folder.cell(row)
        if stem not in self._cells:
            try:
                self._cells[stem] = cell_file.load(stem)
            except RecordingError:
                self._cells[stem] = None
        return self._cells[stem]

    def truth(self, row: Row) -> Batch | None:
        """The examples behind the row's message."""
        stem = self.folder.recording(row)
        if stem not in self._truths:
            try:
                self._truths[stem] = truth_behind(self.folder, row)
            except RecordingError:
                self._truths[stem] = None
        return self._truths[stem]

    def guessed(self, row: Row, truth: Batch) -> Float[Tensor, "batch channels height width"] | None:
        """The guessed images in the order of the true ones."""
        saved = self.cell(row)
        if saved is None or saved.guess.inputs is None:
            return None
        return scoring.matched(saved.guess.inputs, truth.inputs)
