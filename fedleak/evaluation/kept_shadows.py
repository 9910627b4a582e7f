"""Kept shadows: trained models beside a run, by the address of what was asked, made once for all cells that ask."""

from pathlib import Path

from filelock import FileLock

from fedleak.contracts.shadows import ShadowBank
from fedleak.errors import RecordingError
from fedleak.io.tensors import FACTS, TENSORS, beside, read_pair, write_pair
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.weights import NamedTensors

MOST = 2**30
"""Bytes of a folder at most; what was used least recently goes."""


class KeptShadows(ShadowBank):
    """Shadow models in a folder. What is not there one of the workers that ask trains, and it is kept where it fits."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self.folder, self.most = folder, most

    def trained(self, asked: StackedFederations) -> NamedTensors:
        stem = self.folder / asked.address
        found = _read(stem)
        if found is not None:
            return found
        with FileLock(self.folder / f".{asked.address}.lock"):
            found = _read(stem)  # another worker's, that was at it
            if found is None:
                found = asked.trained()
                self._keep(stem, found, asked)
        return found

    def _keep(self, stem: Path, made: NamedTensors, asked: StackedFederations) -> None:
        room = self.most - sum(value.nbytes for value in made.values())
        if room < 0:
            return
        sizes = {path: path.stat().st_size for path in self.folder.glob(f"*{TENSORS}")}
        for path in sorted(sizes, key=lambda one: one.stat().st_mtime):
            if sum(sizes.values()) <= room:
                break
            del sizes[path]
            path.with_suffix(FACTS).unlink(missing_ok=True)  # first: without it the other counts for nothing
            path.unlink(missing_ok=True)
        write_pair(stem, made, {"format": "fedleak-shadows-1", "task": asked.task.name, "models": len(asked.shares)})


def _read(stem: Path) -> NamedTensors | None:
    """What is kept there; None where nothing is, or nothing whole."""
    if not beside(stem, FACTS).exists():
        return None
    try:
        found, _ = read_pair(stem)
        beside(stem, TENSORS).touch()
    except (RecordingError, FileNotFoundError):  # another worker has made room meanwhile, or the disk was full
        return None
    return found
