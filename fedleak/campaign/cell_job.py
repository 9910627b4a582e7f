"""Cell job: attacks one recording, scores the guess, saves both, tells TensorBoard."""

import time
from dataclasses import replace

from fedleak.campaign import tensorboard
from fedleak.campaign.cell import Cell
from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.served import Served
from fedleak.contracts.view import View
from fedleak.errors import OutputError, RecordingError, sentence
from fedleak.evaluation import adversary, scoring, views
from fedleak.evaluation.challenge import Challenge
from fedleak.evaluation.cuts import asked_rows, message_at
from fedleak.evaluation.message import Message
from fedleak.evaluation.narrowed import NOBODY, as_many, narrowed, within
from fedleak.evaluation.scoring import NOT_GUESSED
from fedleak.learning.batch import Batch
from fedleak.randomness import one_thread
from fedleak.results.row import Remarks, Row
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.serving.log import write_log
from fedleak.serving.served_model import ServedModel

BUGS = (Exception, SystemExit)
"""What an attack of somebody's may raise: also its wish to end the process."""


def run_cell(cell: Cell) -> Saved:
    """Attacks, scores and saves. An attack that raises is a result too; only a full or read-only disk is raised."""
    message = message_at(Message.of(cell.folder, cell.place))
    with one_thread():
        try:
            return _saved(cell, message, _attacked(cell, message))
        except OutputError:
            raise
        except BUGS as error:  # a bug in one cell is kept with its traceback; the others go on
            rows = cell.place.failed(cell.built_metrics, sentence(error))
            return _saved(cell, message, Saved(rows=tuple(rows), address=cell.address).crashed(error))


def _saved(cell: Cell, message: Message, saved: Saved) -> Saved:
    cell_file.save(cell.folder.cell(cell.place), saved)
    tensorboard.write(cell, narrowed(message, saved.about), saved)
    return saved


def _attacked(cell: Cell, message: Message) -> Saved:
    attack = attacks.from_table(cell.table)
    observation, challenge = views.observe(message, cell.terms, attack)
    about = attack.subject(observation)
    if about is not None:  # asked about these examples, and scored by them alone
        message = narrowed(message, about)
        observation, challenge = views.observe(message, cell.terms, attack)
    truth = asked_rows(message, challenge) or message.behind(attack.targets)
    if not len(truth):
        nothing = tuple(cell.place.failed(cell.built_metrics, NOBODY))
        return Saved(rows=nothing, address=cell.address, guess=Reconstruction.failed(NOBODY), about=about)
    beside = as_many(observation, message)
    saved = Saved(rows=(), address=cell.address, prior=adversary.prior_guess(beside, cell.place), about=about)
    started = time.perf_counter()
    saved = _guessed(cell, observation, saved)
    seconds = time.perf_counter() - started
    saved = replace(saved, guess=within(saved.guess, message, observation))
    queries, refused = _logged(cell, observation)
    rows = _rows(cell, saved, beside, message, truth, challenge, seconds)
    rows = tuple(replace(row, queries=queries, refused=refused) for row in rows)
    return replace(saved, rows=rows, quality=_quality(saved.guess, truth))


def _logged(cell: Cell, observation: View) -> tuple[int, int]:
    """Keeps what a service was asked; how much that was, and how much of it was refused."""
    if not (isinstance(observation, Served) and isinstance(observation.service, ServedModel)):
        return 0, 0
    log = observation.service.log
    write_log(cell.folder.queries(cell.place), log)
    return len(log), int(log.refused.sum())


def _guessed(cell: Cell, observation: View, saved: Saved) -> Saved:
    try:
        return replace(saved, guess=adversary.guess(observation, cell.table, cell.place))
    except BUGS as error:  # the same as in `run_cell`, but here the prior can still be scored
        return replace(saved, guess=Reconstruction.failed(sentence(error))).crashed(error)


def _rows(
    cell: Cell,
    saved: Saved,
    observation: View,
    message: Message,
    truth: Batch,
    challenge: Challenge | None,
    seconds: float,
) -> tuple[Row, ...]:
    # Not by the defense: every defense of a message stands beside the same baselines.
    public, unseen = adversary.public_and_unseen(observation)
    seed_key = cell.place.seed, cell.place.round, cell.place.client
    scores = scoring.score(
        saved.guess,
        truth,
        cell.built_metrics,
        saved.prior,
        _no_access(cell, observation, *seed_key),
        challenge,
        class_mean=adversary.class_means_of(observation, saved.guess, *seed_key),
        public=public,
        unseen=unseen,
        seen=message.seen,
        view=observation,
        private=message.truth,
        secret=None if message.canary is None else message.canary.secret,
        payloads=message.payloads(attacks.from_table(cell.table).reads),
    )
    remarks = _remarks(saved.guess)
    return tuple(cell.place.row(score, seconds=seconds, samples=len(truth), remarks=remarks) for score in scores)


def _no_access(cell: Cell, observation: View, *seed_key: object) -> list[Reconstruction]:
    """The same knowledge with nothing of what is seen: of a payload, what the attack reads in the clean twin."""
    if cell.twin is None:
        return adversary.baselines(observation, *seed_key)
    attack = attacks.from_table(cell.table)
    message = Message.of(cell.folder, replace(cell.place, federation=cell.twin))
    try:
        honest, _ = views.observe(message, cell.terms, attack)
    except RecordingError:  # the twin broke down
        return []
    return [adversary.guess(replace(honest, tampering=observation.tampering), cell.table, cell.place)]


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
