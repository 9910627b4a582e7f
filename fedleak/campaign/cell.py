"""A cell: one attack on one recording, scored and saved; independent of every other cell."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from fedleak import board, scoring
from fedleak.attack import attacks
from fedleak.batch import Batch
from fedleak.campaign import adversary, cellfile
from fedleak.campaign.cellfile import Saved
from fedleak.campaign.folder import RunFolder
from fedleak.campaign.surroundings import Surroundings
from fedleak.campaign.truth import truth_of
from fedleak.errors import FedleakError, OutputError, sentence
from fedleak.metric import Metric, metrics
from fedleak.reconstruction import Reconstruction
from fedleak.recording import read_recording
from fedleak.results import Place, Remarks
from fedleak.scoring import NOT_GUESSED
from fedleak.settings import Table
from fedleak.threads import one_thread

BUGS = (Exception, SystemExit)
"""What an attack of somebody's may raise: also its wish to end the process."""
Section = tuple[int, str]
"""A point's place in the campaign, and the name of a defense."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a worker needs to know; small, and the same on any machine that has the run folder."""

    root: Path
    point: int
    """The place of its point in the campaign."""
    place: Place
    table: Table
    """The attack, every option written out."""
    metrics: tuple[str, ...]
    auxiliary: int
    address: str

    @property
    def section(self) -> Section:
        """The part of the results that it belongs to."""
        return self.point, self.place.defense

    @property
    def folder(self) -> RunFolder:
        """The run that the cell belongs to."""
        return RunFolder(self.root)

    def lost(self, reason: str) -> Saved:
        """What is entered where the process died that ran the cell; nothing is on disk, so it is run again."""
        rows = self.place.failed(_metrics(self), reason)
        return Saved(rows=tuple(rows), address=self.address).crashed(FedleakError(reason))


def run_cell(cell: Cell) -> Saved:
    """Attacks, scores and saves. An attack that raises is a result too; only a full or read-only disk is raised."""
    with one_thread():
        try:
            return _saved(cell, _attacked(cell))
        except OutputError:
            raise
        except BUGS as error:  # a bug in one cell is kept with its traceback; the others go on
            rows = cell.place.failed(_metrics(cell), sentence(error))
            return _saved(cell, Saved(rows=tuple(rows), address=cell.address).crashed(error))


def _saved(cell: Cell, saved: Saved) -> Saved:
    cellfile.save(cell.folder.cell(cell.place), saved)
    board.write(cell.folder, cell, saved)
    return saved


def _attacked(cell: Cell) -> Saved:
    recording = read_recording(cell.folder.recording(cell.place))
    vault = cell.folder.vault(cell.place.defense, cell.place.federation)
    around = Surroundings(recordings=cell.folder.recordings(cell.place.defense, cell.place.federation), vault=vault)
    observation, challenge = adversary.observe(recording, cell.auxiliary, attacks.from_table(cell.table), around)
    prior = adversary.prior_guess(observation, cell.place)
    saved = Saved(rows=(), address=cell.address, prior=prior)
    started = time.perf_counter()
    try:
        saved = replace(saved, guess=adversary.guess(observation, cell.table, cell.place))
    except BUGS as error:  # the same, but here the prior can still be scored
        saved = replace(saved, guess=Reconstruction.failed(sentence(error))).crashed(error)
    seconds = time.perf_counter() - started
    truth = truth_of(vault, recording.round, recording.cohort)
    # Not by the defense: every defense of a message stands beside the same blind guesses.
    blind = adversary.blind_guesses(observation, cell.place.seed, cell.place.round, cell.place.client)
    scores = scoring.score(saved.guess, truth, _metrics(cell), prior, blind, challenge)
    rows = tuple(
        cell.place.row(score, seconds=seconds, samples=len(truth), said=_remarks(saved.guess)) for score in scores
    )
    return replace(saved, rows=rows, quality=_quality(saved.guess, truth))


def _remarks(guess: Reconstruction) -> Remarks:
    diagnosis = guess.diagnosis
    return Remarks(
        certifiable=guess.certifiable,
        certificate=guess.certificate,
        trouble=None if diagnosis is None else diagnosis.trouble,
        diagnosis=None if diagnosis is None else diagnosis.words,
    )


def _quality(guess: Reconstruction, truth: Batch) -> tuple[tuple[int, float], ...]:
    """PSNR of each snapshot: how the guess grew better, which the attacker cannot see."""
    psnr = (metrics.build("psnr", {}),)
    return tuple(
        (snapshot.iteration, scoring.score(Reconstruction(inputs=snapshot.inputs), truth, psnr, NOT_GUESSED)[0].value)
        for snapshot in guess.snapshots
    )


def _metrics(cell: Cell) -> tuple[Metric, ...]:
    return tuple(metrics.build(name, {}) for name in cell.metrics)
