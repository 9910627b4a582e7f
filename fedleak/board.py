"""TensorBoard events of a cell: the attack over its iterations, its scores, and pictures."""

import math
import shutil
from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from fedleak import scoring
from fedleak.campaign.cellfile import Saved
from fedleak.campaign.folder import RunFolder, stem_name
from fedleak.campaign.truth import truth_behind
from fedleak.errors import OutputError, RecordingError
from fedleak.results import Place

PICTURES = 16
"""Pictures a cell at most."""


def events_of(folder: RunFolder, place: Place) -> Path:
    """`DEFENSE/round-0001/CLIENT/ATTACK` below the run's `tensorboard`."""
    return folder.tensorboard / place.defense / f"round-{place.round:04d}" / stem_name(place.client) / place.attack


def write(folder: RunFolder, place: Place, saved: Saved) -> None:
    """Replaces the events of a cell. Raises `OutputError` where they cannot be written."""
    path = events_of(folder, place)
    try:
        shutil.rmtree(path, ignore_errors=True)
        with SummaryWriter(str(path)) as writer:
            _write_scalars(writer, saved)
            _write_pictures(writer, folder, place, saved)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; free some space or choose another --out") from error


def _write_scalars(writer: SummaryWriter, saved: Saved) -> None:
    for point in saved.guess.trace:
        _scalar(writer, "attack/own loss", point.loss, point.iteration)
    for iteration, psnr in saved.quality:
        _scalar(writer, "attack/psnr", psnr, iteration)
    for row in saved.rows:
        _scalar(writer, f"score/{row.metric}", row.value, 0)
        _scalar(writer, f"prior/{row.metric}", row.baseline, 0)


def _scalar(writer: SummaryWriter, tag: str, value: float, iteration: int) -> None:
    if math.isfinite(value):
        writer.add_scalar(tag, value, iteration)


def _write_pictures(writer: SummaryWriter, folder: RunFolder, place: Place, saved: Saved) -> None:
    if saved.guess.inputs is None:
        return
    try:
        truth = truth_behind(folder, place.defense, place.round, place.client).inputs
    except RecordingError:
        return  # without the truth there is nothing to show beside the guess; the scores say why
    guess = scoring.matched(saved.guess.inputs, truth)
    for tag, pictures in (("truth", truth), ("guess", guess)):
        writer.add_images(tag, pictures[:PICTURES].nan_to_num(0.5).clamp(0, 1), 0)
