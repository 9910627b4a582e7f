"""Whether an attack that has no figure crashed: then it says nothing of what the update gives away."""

from dataclasses import dataclass, field
from pathlib import Path

from fedleak.errors import RecordingError
from fedleak.results.row import Row
from fedleak.runs import cell_file
from fedleak.runs.folder import RunFolder


@dataclass(frozen=True)
class Crashes:
    """Looks into the files of cells, once for each."""

    folder: RunFolder
    _known: dict[Path, str] = field(default_factory=dict)

    def __call__(self, row: Row) -> str:
        """What the attack behind a row did, in words that go before "on 3 of 10 messages"; empty for no crash."""
        cell = self.folder.cell(row)
        if cell not in self._known:
            self._known[cell] = self._look(cell, row)
        return self._known[cell]

    def _look(self, cell: Path, row: Row) -> str:
        try:
            return "crashed" if cell_file.load(cell).crash is not None else ""
        except RecordingError:
            return "" if self._sent_nothing(row) else "may have crashed (its files are gone or damaged)"

    def _sent_nothing(self, row: Row) -> bool:
        """Whether there never was a message to attack: its client failed, or the whole federation did."""
        recorded = (self.folder.root / "recordings").is_dir()
        return recorded and not Path(f"{self.folder.recording(row)}.json").exists()


def never(row: Row) -> str:  # noqa: ARG001
    """No attack crashed."""
    return ""
