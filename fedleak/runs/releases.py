"""Releases of a run: the models that left its federations."""

from pathlib import Path

from fedleak.results.schema import MODEL
from fedleak.runs.folder import RunFolder, stem_name


def released_models(folder: RunFolder, defense: str, federation: str = "") -> dict[int, Path]:
    """The recordings of the models that were released under a defense, by round, the earliest first."""
    found = folder.recordings(defense, federation).glob(f"round-*/{stem_name(MODEL)}.json")
    return dict(sorted((int(path.parent.name.removeprefix("round-")), path) for path in found))
