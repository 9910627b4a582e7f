"""Ownership of a run folder by a file lock: nobody else works in it, and what is in it is ours."""

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager

import tomli_w
from filelock import FileLock, Timeout

from fedleak.errors import OutputError
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.placing import without_bundles
from fedleak.io.atomic import UNFINISHED_FILES, write_atomically
from fedleak.runs.folder import RunFolder
from fedleak.runs.kept_apps import bundles_of, keep
from fedleak.settings.base import Table
from fedleak.settings.bundle import APPS

OURS = ("recordings", "vault", "reconstructions", "tensorboard", "evidence", "shadows", APPS)
"""The subfolders that a run makes."""


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Keeps a second run out of the folder; the lock goes with the process, however that ends."""
    _require_no_file(folder)
    lock = FileLock(folder.root / ".lock", timeout=0)
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise OutputError(f"another run is working in {folder.root}; wait for it or choose another --out") from error
    except (OSError, NotImplementedError) as error:
        raise OutputError(f"cannot write {folder.root}: {error}; choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def claim(folder: RunFolder, campaign: Campaign, *, overwrite: bool = False) -> bool:
    """Makes the folder this campaign's own; true where it already was, so that finished cells can be reused.

    Audited apps are kept in it: a run goes on with what it began with. Raises `OutputError` where the folder cannot be
    written, or holds another run or something else, and `RecordingError` where an app was changed.
    """
    _require_no_file(folder)
    resumed, bundles = False, bundles_of(campaign)  # read before anything is cleared: they may lie in this very folder
    if overwrite and folder.experiment.exists() and folder.manifest.exists():
        _clear(folder)
    elif folder.experiment.exists():
        _require_same(folder, campaign)
        _sweep(folder)
        resumed = True
    elif folder.root.is_dir() and any(not child.name.startswith(".") for child in folder.root.iterdir()):
        raise OutputError(f"{folder.root} holds files that are not a run; choose another --out")
    write_atomically(folder.experiment, tomli_w.dumps(campaign.tree).encode())
    keep(folder, bundles)
    return resumed


def _require_no_file(folder: RunFolder) -> None:
    if folder.root.exists() and not folder.root.is_dir():
        raise OutputError(f"{folder.root} is a file; choose a folder for --out")


def _require_same(folder: RunFolder, campaign: Campaign) -> None:
    try:
        there = tomllib.loads(folder.experiment.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OutputError(f"cannot read {folder.experiment}: {error}; choose another --out") from error
    if there != campaign.tree:
        _require_same_apps(folder, there, campaign.tree)
        mend = ", or replace it by --overwrite" if folder.manifest.exists() else ""
        raise OutputError(f"{folder.root} holds a different run; choose another --out{mend}")


def _require_same_apps(folder: RunFolder, there: Table, came: Table) -> None:
    """Says it where a run is another only because its audited app is."""
    if without_bundles(there) == without_bundles(came):
        raise OutputError(
            f"{folder.root} is a run of the audited app as it was, and the app's code or images have changed since; "
            f"choose another --out, or go on with what was audited by `fedleak run {folder.experiment} --out "
            f"{folder.root}`"
        )


def _sweep(folder: RunFolder) -> None:
    """Removes the half-written files of processes that were killed, and tracebacks of cells that are run again."""
    folder.errors.unlink(missing_ok=True)
    for place in (folder.root.glob, *((folder.root / name).rglob for name in OURS)):
        for stale in place(UNFINISHED_FILES):
            if stale.is_file():
                stale.unlink(missing_ok=True)


def _clear(folder: RunFolder) -> None:
    """Deletes what a run wrote, and nothing else."""
    try:
        for name in OURS:
            shutil.rmtree(folder.root / name, ignore_errors=not (folder.root / name).exists())
        for file in (
            *(folder.results, folder.parquet, folder.federations, folder.report),
            *(folder.gallery, folder.gallery_of_classes),
            *(folder.errors, folder.manifest, folder.experiment),
        ):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot clear {folder.root}: {error}; choose another --out") from error
