"""Run folder: the paths of everything that a run writes."""

from dataclasses import dataclass
from pathlib import Path

from fedleak.errors import RecordingError, echo
from fedleak.io.atomic import write_atomically
from fedleak.io.fingerprint import file_name
from fedleak.results.row import Cellular
from fedleak.results.schema import MODEL, Who
from fedleak.settings.adversary import ATTACKERS_SETTINGS
from fedleak.settings.base import is_name


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
    def gallery_of_classes(self) -> Path:
        """Private examples of classes above what was guessed of these, where a run guesses examples too."""
        return self.root / "gallery-classes.png"

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
    def checks(self) -> Path:
        """One row for each figure that a client's check measured of a model; not there where there were no checks."""
        return self.root / "checks.jsonl"

    @property
    def dp_audit(self) -> Path:
        """One row for each chain, by `fedleak audit-dp`; not there where nobody audited the run."""
        return self.root / "dp-audit.jsonl"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.root / "report.html"

    @property
    def shadows(self) -> Path:
        """The models that adversaries trained themselves, each set of them once."""
        return self.root / "shadows"

    def recordings(self, defense: str, federation: str = "") -> Path:
        """What the server saw under a defense; `federation` is the folder of its settings, see `Row.federation`."""
        return self.root / "recordings" / federation / self._trained_as(defense, federation)

    def vault(self, defense: str, federation: str = "") -> Path:
        """What the clients trained on under a defense."""
        return self.root / "vault" / federation / self._trained_as(defense, federation)

    def share(self, defense: str, federation: str, trained: str) -> None:
        """Says that the federation under a defense is that of another, where nothing but answers tells them apart."""
        link = self._link(defense, federation)
        if trained == defense:
            link.unlink(missing_ok=True)
        elif not link.is_file() or link.read_text(encoding="utf-8") != trained:
            write_atomically(link, trained.encode())

    def _trained_as(self, defense: str, federation: str) -> str:
        link = self._link(defense, federation)
        if not link.is_file():
            return defense
        trained = link.read_text(encoding="utf-8", errors="replace")
        if not is_name(trained):  # whoever gets a run of somebody else's is not led out of it
            raise RecordingError(f"{link}: expected the name of a defense, got {echo(trained)}; run it again")
        return trained

    def _link(self, defense: str, federation: str) -> Path:
        return self.root / "recordings" / federation / f"{defense}.link"

    def recording(self, of: Cellular) -> Path:
        """The message that a cell attacks, without suffix."""
        return self.recordings(of.defense, of.federation) / message_name(of)

    def cell(self, of: Cellular) -> Path:
        """Where the result of a cell lies, without suffix: the guess, and the rows of its scores."""
        return self.reconstructions / of.federation / of.defense / message_name(of) / cell_name(of)

    def queries(self, of: Cellular) -> Path:
        """What a cell asked a service, and what was answered, without suffix."""
        cell = self.cell(of)
        return cell.with_name(f"{cell.name}.queries")

    def events(self, of: Cellular) -> Path:
        """Where the TensorBoard events of a cell lie."""
        return self.tensorboard / of.federation / of.defense / message_name(of) / cell_name(of)


def stem_name(who: Who) -> str:
    """The name that the files of a client, of the aggregate, or of the model have."""
    return who if isinstance(who, str) else f"client-{who:04d}"


def message_name(of: Cellular) -> str:
    """A message's place below the folder of its federation and defense."""
    return f"round-{of.round:04d}/{stem_name(of.client)}"


def cell_name(of: Cellular) -> str:
    """A cell's name among those of its message: its attack, and what of the setting the federation does not know."""
    own = [f"{key.rpartition('.')[2]}={of.setting[key]}" for key in ATTACKERS_SETTINGS if key in of.setting]
    return file_name(" ".join([of.attack, *own]))


def vault_beside(recording: Path) -> Path | None:
    """The vault of the run that a recording lies in, where it is still there."""
    defense = recording.resolve().parent.parent
    for recordings in defense.parents[:2]:  # a campaign keeps the recordings of each setting in a folder of its own
        vault = recordings.parent / "vault" / defense.relative_to(recordings)
        if recordings.name == "recordings" and vault.is_dir():
            return vault
    return None


def released_models(folder: RunFolder, defense: str, federation: str = "") -> dict[int, Path]:
    """The recordings of the models that were released under a defense, by round, the earliest first."""
    found = folder.recordings(defense, federation).glob(f"round-*/{stem_name(MODEL)}.json")
    return dict(sorted((int(path.parent.name.removeprefix("round-")), path) for path in found))
