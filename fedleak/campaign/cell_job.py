"""The job of a cell: attacks one recording, scores the guess, saves both, tells TensorBoard."""

import time
from dataclasses import replace

from fedleak.campaign import tensorboard
from fedleak.campaign.cell import Cell
from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import OutputError, sentence
from fedleak.evaluation import adversary, scoring
from fedleak.evaluation.adversary import Surroundings
from fedleak.evaluation.scoring import NOT_GUESSED
from fedleak.learning.batch import Batch
from fedleak.randomness import one_thread
from fedleak.recording import read_recording
from fedleak.results.row import Remarks
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.vault import truth_of

BUGS = (Exception, SystemExit)
"""What an attack of somebody's may raise: also its wish to end the process."""


def run_cell(cell: Cell) -> Saved:
    """Attacks, scores and saves. An attack that raises is a result too; only a full or read-only disk is raised."""
    with one_thread():
        try:
            return _saved(cell, _attacked(cell))
        except OutputError:
            raise
        except BUGS as error:  # a bug in one cell is kept with its traceback; the others go on
            rows = cell.place.failed(cell.built_metrics, sentence(error))
            return _saved(cell, Saved(rows=tuple(rows), address=cell.address).crashed(error))


def _saved(cell: Cell, saved: Saved) -> Saved:
    cell_file.save(cell.folder.cell(cell.place), saved)
    tensorboard.write(cell.folder, cell, saved)
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
    scores = scoring.score(saved.guess, truth, cell.built_metrics, prior, blind, challenge)
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
