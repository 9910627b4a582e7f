"""A run folder: where everything lies, and the check that it is ours before anything is computed."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from filelock import FileLock, Timeout

from fedleak.campaign.address import address_of
from fedleak.campaign.campaign import Campaign
from fedleak.errors import OutputError
from fedleak.results import AGGREGATE, Cellular, Who
from fedleak.tensorfile import UNFINISHED_FILES, write_atomically

ATTACKERS_SETTINGS = ("vary", "adversary.auxiliary")
"""Varying settings that do not change a federation: it is run once and its messages are attacked under each."""
LONGEST = 100
"""Characters of a file's name."""


@dataclass(frozen=True)
class RunFolder:
    """The files of a run, below `root`."""

    root: Path

    @property
    def experiment(self) -> Path:
        """The experiment, every option written out."""
        return self.root / "experiment.toml"

    @property
    def manifest(self) -> Path:
        """Versions, machine, times."""
        return self.root / "manifest.json"

    @property
    def results(self) -> Path:
        """One row for each attack, message and metric."""
        return self.root / "results.jsonl"

    @property
    def gallery(self) -> Path:
        """Truth above guesses."""
        return self.root / "gallery.png"

    @property
    def tensorboard(self) -> Path:
        """Events for TensorBoard."""
        return self.root / "tensorboard"

    @property
    def errors(self) -> Path:
        """Tracebacks of attacks that raised."""
        return self.root / "errors.log"

    @property
    def reconstructions(self) -> Path:
        """The guesses, a pair of files for each cell."""
        return self.root / "reconstructions"

    @property
    def parquet(self) -> Path:
        """The rows once more, for tools that read columns."""
        return self.root / "results.parquet"

    @property
    def federations(self) -> Path:
        """One row for each round of each federation: accuracy, failures, time."""
        return self.root / "federations.jsonl"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.root / "report.html"

    def recordings(self, defense: str, federation: str = "") -> Path:
        """What the server saw under a defense; `federation` is the folder of its settings, see `Row.federation`."""
        return self.root / "recordings" / federation / defense

    def vault(self, defense: str, federation: str = "") -> Path:
        """What the clients trained on under a defense."""
        return self.root / "vault" / federation / defense

    def recording(self, of: Cellular) -> Path:
        """The message that a cell attacks, without suffix."""
        return self.recordings(of.defense, of.federation) / message_name(of)

    def cell(self, of: Cellular) -> Path:
        """Where the result of a cell lies, without suffix: the guess, and the rows of its scores."""
        return self.reconstructions / of.federation / of.defense / message_name(of) / cell_name(of)

    def events(self, of: Cellular) -> Path:
        """Where the TensorBoard events of a cell lie."""
        return self.tensorboard / of.federation / of.defense / message_name(of) / cell_name(of)

    def claim(self, campaign: Campaign, *, overwrite: bool = False) -> bool:
        """Makes the folder this campaign's own; true where it already was, so that finished cells can be reused.

        Raises `OutputError` where the folder cannot be written, or holds another run or something else.
        """
        if overwrite and self.experiment.exists():
            self._clear()
            resumed = False
        else:
            resumed = self._holds(campaign)
            self._sweep()
        write_atomically(self.experiment, tomli_w.dumps(campaign.tree).encode())
        return resumed

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second run out of the folder; the lock goes with the process, however that ends."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise OutputError(f"another run is working in {self.root}; wait for it or choose another --out") from error
        except (OSError, NotImplementedError) as error:
            raise OutputError(f"cannot write {self.root}: {error}; choose another --out") from error
        try:
            yield
        finally:
            lock.release()

    def _holds(self, campaign: Campaign) -> bool:
        try:
            there = tomllib.loads(self.experiment.read_text())
        except (FileNotFoundError, NotADirectoryError):
            self._require_empty()
            return False
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise OutputError(f"cannot read {self.experiment}: {error}; choose another --out") from error
        if there != campaign.tree:
            raise OutputError(f"{self.root} holds a different run; choose another --out, or replace it by --overwrite")
        return True

    def _sweep(self) -> None:
        """Removes the half-written files of processes that were killed."""
        for stale in self.root.rglob(UNFINISHED_FILES):
            stale.unlink(missing_ok=True)

    def _files(self) -> tuple[Path, ...]:
        return (
            *(self.results, self.parquet, self.federations, self.gallery, self.report),
            *(self.errors, self.manifest, self.experiment),
        )

    def _require_empty(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise OutputError(f"{self.root} is a file; choose a folder for --out")
        if self.root.is_dir() and any(not child.name.startswith(".") for child in self.root.iterdir()):
            raise OutputError(f"{self.root} holds files that are not a run; choose another --out")

    def _clear(self) -> None:
        """Deletes what a run wrote, and nothing else."""
        try:
            for name in ("recordings", "vault", "reconstructions", "tensorboard", "evidence"):
                shutil.rmtree(self.root / name, ignore_errors=not (self.root / name).exists())
            for file in self._files():
                file.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot clear {self.root}: {error}; choose another --out") from error


def stem_name(who: Who) -> str:
    """The name that a client's, or the aggregate's, files have."""
    return AGGREGATE if who == AGGREGATE else f"client-{who:04d}"


def message_name(of: Cellular) -> str:
    """A message's place below the folder of its federation and defense."""
    return f"round-{of.round:04d}/{stem_name(of.client)}"


def cell_name(of: Cellular) -> str:
    """A cell's name among those of its message: its attack, and what of the setting the federation does not know."""
    own = [f"{key.rpartition('.')[2]}={of.setting[key]}" for key in ATTACKERS_SETTINGS if key in of.setting]
    return file_name(" ".join([of.attack, *own]))


def file_name(label: str) -> str:
    """A label as the name of a file: itself where it can be one, else with a digest that keeps it apart."""
    plain = re.sub(r"[^A-Za-z0-9._+=, -]", "_", label)
    return label if plain == label and len(label) <= LONGEST else f"{plain[: LONGEST - 9]}-{address_of(label)[:8]}"


def vault_beside(recording: Path) -> Path | None:
    """The vault of the run that a recording lies in, where it is still there."""
    defense = recording.resolve().parent.parent
    for recordings in defense.parents[:2]:  # a campaign keeps the recordings of each setting in a folder of its own
        vault = recordings.parent / "vault" / defense.relative_to(recordings)
        if recordings.name == "recordings" and vault.is_dir():
            return vault
    return None
