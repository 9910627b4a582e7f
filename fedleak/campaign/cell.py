"""A cell: one attack on one recording, scored and saved; independent of every other cell."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from fedleak import scoring
from fedleak.batch import Batch
from fedleak.campaign import adversary, cellfile
from fedleak.campaign.cellfile import Saved
from fedleak.campaign.folder import RunFolder, stem_name
from fedleak.campaign.truth import truth_of
from fedleak.errors import FedleakError, OutputError
from fedleak.metric import Metric, metrics
from fedleak.reconstruction import Reconstruction
from fedleak.recording import read_recording
from fedleak.results import Place
from fedleak.settings import Table
from fedleak.threads import one_thread


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a worker needs to know; small, and the same on any machine that has the run folder."""

    root: Path
    place: Place
    table: Table
    """The attack, every option written out."""
    metrics: tuple[str, ...]
    auxiliary: int
    address: str

    @property
    def recording(self) -> Path:
        """The message that is attacked, without suffix."""
        return RunFolder(self.root).recordings(self.place.defense) / self._message

    @property
    def stem(self) -> Path:
        """Where the result lies, without suffix."""
        return RunFolder(self.root).reconstructions / self.place.defense / self._message / self.place.attack

    @property
    def _message(self) -> str:
        return f"round-{self.place.round:04d}/{stem_name(self.place.client)}"


def run_cell(cell: Cell) -> Saved:
    """Attacks, scores and saves. An attack that raises is a result too; only a full or read-only disk is raised."""
    with one_thread():
        try:
            saved = _attacked(cell)
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001  a bug in one cell is kept with its traceback; the others go on
            rows = cell.place.failed(_metrics(cell), sentence(error))
            saved = Saved(rows=tuple(rows), address=cell.address).crashed(error)
        cellfile.save(cell.stem, saved)
    return saved


def sentence(error: Exception) -> str:
    """An exception as a reason: our own errors are sentences already, others get their type."""
    return str(error) if isinstance(error, FedleakError) else f"{type(error).__name__}: {error}"


def _attacked(cell: Cell) -> Saved:
    recording = read_recording(cell.recording)
    observation = adversary.observe(recording, cell.auxiliary)
    prior = adversary.prior_guess(observation, cell.place)
    saved = Saved(rows=(), address=cell.address, prior=prior)
    started = time.perf_counter()
    try:
        saved = replace(saved, guess=adversary.guess(observation, cell.table, cell.place))
    except Exception as error:  # noqa: BLE001  the same, but here the prior can still be scored
        saved = replace(saved, guess=Reconstruction.failed(sentence(error))).crashed(error)
    seconds = time.perf_counter() - started
    truth = truth_of(RunFolder(cell.root).vault(cell.place.defense), recording.round, recording.cohort)
    scores = scoring.score(saved.guess, truth, _metrics(cell), prior)
    rows = tuple(cell.place.row(score, seconds=seconds, samples=len(truth)) for score in scores)
    return replace(saved, rows=rows, quality=_quality(saved.guess, truth, prior))


def _quality(guess: Reconstruction, truth: Batch, prior: Reconstruction) -> tuple[tuple[int, float], ...]:
    """PSNR of each snapshot: how the guess grew better, which the attacker cannot see."""
    psnr = (metrics.build("psnr", {}),)
    return tuple(
        (snapshot.iteration, scoring.score(Reconstruction(inputs=snapshot.inputs), truth, psnr, prior)[0].value)
        for snapshot in guess.snapshots
    )


def _metrics(cell: Cell) -> tuple[Metric, ...]:
    return tuple(metrics.build(name, {}) for name in cell.metrics)
