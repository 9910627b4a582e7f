"""TensorBoard events of a cell: the attack over its iterations, its scores, pictures, and what to compare it by."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from fedleak.campaign.cell import Cell
from fedleak.errors import RecordingError
from fedleak.evaluation import scoring
from fedleak.evaluation.exhibits import exhibits_of, view_of
from fedleak.evaluation.message import Message
from fedleak.io.tensorboard_events import Setting, Values, picture, scalar, session, write_events
from fedleak.learning.facts import LocalTraining
from fedleak.runs.cell_file import Saved

PICTURES = 16
"""Pictures a cell at most."""
COMMON = ("batch_size", "batches", "epochs", "learning_rate", "momentum", "weight_decay", "mode")
"""Facts of training that are told in any case; others where they are not as usual."""


def write(cell: Cell, message: Message, saved: Saved) -> None:
    """Replaces the events of a cell. Raises `OutputError` where they cannot be written."""
    path = cell.folder.events(cell.place)
    values = _scalars(saved)
    values[0] += _pictures(message, saved) + _pictures_of_classes(cell, message, saved)
    values[0] += session(settings_of(cell, message), failed=saved.guess.failure is not None)
    shutil.rmtree(path, ignore_errors=True)
    write_events(path, values)


def settings_of(cell: Cell, message: Message) -> dict[str, Setting]:
    """What to compare cells by: task, attack with its options, defense, message, seed, and how the client trained.

    Keys are those of an experiment file; options of the attack are below `attack`.
    """
    place = cell.place
    return {
        "task": place.task,
        "defense": place.defense,
        "attack": place.attack,
        "client": str(place.client),
        "round": place.round,
        "seed": place.seed,
        "split": place.split,
        "adversary.auxiliary": cell.adversary.auxiliary,
        **_training(message),
        **place.setting,
        **dict(_options(cell.table, "attack")),
    }


def _training(message: Message) -> dict[str, Setting]:
    """How the client, or the first of a cohort, really trained, where the vault still knows."""
    try:
        training = message.training
    except RecordingError:
        return {}  # the row has what else is known
    usual = asdict(LocalTraining())
    told = {key: value for key, value in asdict(training).items() if key in COMMON or value != usual[key]}
    return dict(_options({key: value for key, value in told.items() if value is not None}, "federation"))


def _options(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Setting]]:
    """The options of a table by dotted key, those of tables within it too."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _options(value, f"{prefix}.{key}")
        else:
            yield f"{prefix}.{key}", value if isinstance(value, Setting) else str(value)


def _scalars(saved: Saved) -> Values:
    values: Values = defaultdict(list)
    for row in saved.rows:
        values[0] += scalar(f"score/{row.metric}", row.value)
        values[0] += scalar(f"prior/{row.metric}", row.baseline)
        values[0] += scalar(f"no access/{row.metric}", row.no_access)
        values[0] += scalar(f"class mean/{row.metric}", row.class_mean)
        values[0] += scalar(f"oracle single color/{row.metric}", row.single_color)
        values[0] += scalar(f"oracle nearest public/{row.metric}", row.nearest_public)
    for point in saved.guess.trace:
        values[point.iteration] += scalar("attack/own loss", point.loss)
    for iteration, psnr in saved.quality:
        values[iteration] += scalar("attack/psnr", psnr)
    return values


def _pictures_of_classes(cell: Cell, message: Message, saved: Saved) -> list[Any]:
    """What is private of the classes that were asked about, and what the attack shows of each."""
    guess = saved.guess.representatives
    if guess is None:
        return []
    try:
        view, truth = view_of(message, cell.adversary), message.truth
    except RecordingError:
        return []  # as for examples
    exhibits = exhibits_of(view, truth, cell.place.seed, cell.place.round, cell.place.client)
    shown = {"private class means": exhibits.private_mean, "guesses of classes": guess}
    return [
        value
        for tag, images in shown.items()
        if images is not None
        for value in picture(tag, [exhibits.space.picture(image) for image in images[:PICTURES]])
    ]


def _pictures(message: Message, saved: Saved) -> list[Any]:
    if saved.guess.inputs is None:
        return []
    try:
        truth = message.news
    except RecordingError:
        return []  # without the truth there is nothing to show beside the guess; the scores say why
    guess = scoring.matched(saved.guess.inputs, truth)
    shown = {"truth": truth.inputs[:PICTURES], "guess": guess[:PICTURES]}
    return [
        value
        for tag, examples in shown.items()
        for value in picture(tag, [truth.space.picture(one) for one in examples])
    ]
