"""Bundle of an audited app: its code and the images that its clients trained on, known by the SHA-256 of its files."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedleak.errors import RecordingError

IMAGES, SUMS = "images.npz", "SHA256SUMS"
APPS, VAULT = "apps", "vault"
"""Folders of a run that code and images are kept in: the images are the clients' and lie with the truth."""
SHOWN = 12
"""Digits of a hash that a person is told."""


@dataclass(frozen=True)
class Bundle:
    """Every file of it in memory, by its name: Python files below the folder, and the images."""

    files: Mapping[str, bytes]

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        """What lies in a folder now; of a run's, the images are read from its vault."""
        found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.py"))}
        return cls({**found, IMAGES: images_of(folder).read_bytes()})

    @property
    def sums(self) -> str:
        """A line for each file, as `sha256sum` writes and checks it."""
        return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in self.files.items())

    @property
    def address(self) -> str:
        """SHA-256 of these lines, in hexadecimal: 64 digits."""
        return hashlib.sha256(self.sums.encode()).hexdigest()


def images_of(folder: Path) -> Path:
    """The images of a bundle: beside its code as an audit leaves them, else in the vault of the run that keeps it."""
    beside = folder / IMAGES
    return beside if beside.exists() else images_in(folder.parent.parent, folder.name)


def kept_in(root: Path, address: str) -> Path:
    """Where a run keeps the code of a bundle."""
    return root / APPS / address


def images_in(root: Path, address: str) -> Path:
    """Where a run keeps its images."""
    return root / VAULT / f"{address}.npz"


def bundle_at(folder: Path, address: str) -> Bundle:
    """The bundle of that address; raises `RecordingError` where the folder holds another, or none."""
    try:
        found = Bundle.read(folder)
    except OSError as error:
        raise RecordingError(
            f"cannot read the audited app {address[:SHOWN]}: {error.strerror}, {error.filename}; put it back, or audit "
            "and run again"
        ) from error
    if found.address != address:
        raise RecordingError(
            f"{_changed(folder, found)}: expected the audited app {address[:SHOWN]}, got {found.address[:SHOWN]} "
            "(SHA-256 of its files); put back what was audited, or run it as another app into another --out"
        )
    return found


def _changed(folder: Path, found: Bundle) -> str:
    """Which file it is, where the run has a list of them."""
    try:
        kept = set((folder / SUMS).read_text().splitlines())
    except OSError:
        return f"{folder} has changed"
    names = sorted({line.partition("  ")[2] for line in kept.symmetric_difference(found.sums.splitlines())})
    return f"{', '.join(names)} in {folder} changed" if names else f"{folder} has changed"
