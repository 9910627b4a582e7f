"""A run folder: where everything lies, and the check that it is ours before anything is computed."""

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from fedleak.campaign.address import experiment_facts, to_toml
from fedleak.errors import OutputError
from fedleak.experiment import Experiment
from fedleak.results import AGGREGATE, Who
from fedleak.tensorfile import write_atomically


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

    def recordings(self, defense: str) -> Path:
        """What the server saw under a defense."""
        return self.root / "recordings" / defense

    def vault(self, defense: str) -> Path:
        """What the clients trained on under a defense."""
        return self.root / "vault" / defense

    def claim(self, experiment: Experiment, *, overwrite: bool = False) -> bool:
        """Makes the folder this experiment's own; true where it already was, so that finished cells can be reused.

        Raises `OutputError` where the folder cannot be written, or holds another run or something else.
        """
        if overwrite and self.experiment.exists():
            self._clear()
            resumed = False
        else:
            resumed = self._holds(experiment)
        write_atomically(self.experiment, to_toml(experiment).encode())
        return resumed

    def _holds(self, experiment: Experiment) -> bool:
        try:
            there = tomllib.loads(self.experiment.read_text())
        except (FileNotFoundError, NotADirectoryError):
            self._require_empty()
            return False
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise OutputError(f"cannot read {self.experiment}: {error}; choose another --out") from error
        if there != experiment_facts(experiment):
            raise OutputError(f"{self.root} holds a different run; choose another --out, or replace it by --overwrite")
        return True

    def _require_empty(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise OutputError(f"{self.root} is a file; choose a folder for --out")
        if self.root.is_dir() and any(not child.name.startswith(".") for child in self.root.iterdir()):
            raise OutputError(f"{self.root} holds files that are not a run; choose another --out")

    def _clear(self) -> None:
        """Deletes what a run wrote, and nothing else."""
        try:
            for name in ("recordings", "vault", "reconstructions", "tensorboard"):
                shutil.rmtree(self.root / name, ignore_errors=not (self.root / name).exists())
            for file in (self.results, self.gallery, self.errors, self.manifest, self.experiment):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot clear {self.root}: {error}; choose another --out") from error


def stem_name(who: Who) -> str:
    """The name that a client's, or the aggregate's, files have."""
    return AGGREGATE if who == AGGREGATE else f"client-{who:04d}"


def vault_beside(recording: Path) -> Path | None:
    """The vault of the run that a recording lies in, where it is still there."""
    defense = recording.resolve().parent.parent
    vault = defense.parent.parent / "vault" / defense.name
    return vault if defense.parent.name == "recordings" and vault.is_dir() else None
