"""Imported recordings: updates of a federation that fedleak did not run, out of files, or of a folder of its tap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fedleak.contracts.chain import Chain
from fedleak.errors import ConfigError, DataError, NonFiniteError, RecordingError
from fedleak.io.checkpoint import bare, fitted, read_state
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import NamedTensors, Weights, names_of
from fedleak.recording.recording import Recording
from fedleak.settings.task import TaskSettings
from fedleak.tasks import task_of
from fedleak.wiretap.journal import Exchange, JournalError, read_journal

SUFFIXES = (".safetensors", ".npz", ".pt", ".pth")
NUMPY_S_OWN = "arr_"
"""What numpy puts before the number of an array that was saved without a name."""
PLACEHOLDER = "_empty"
"""What the older API of Flower sends where there is nothing to send."""
TRAIN = "train"
EXAMPLES = ("num-examples", "num_examples")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What of an update its tensors do not say."""

    task: TaskSettings
    training: LocalTraining
    examples: int | None = None
    client: int = 0
    round: int = 1
    seed: int = 0


def imported_update(before: Path, after: Path, told: Told) -> Recording:
    """An update as the model's state before and after training; raises `DataError` or `NonFiniteError`."""
    task = task_of(told.task)
    return _recording(_state(before, task), _state(after, task).state_dict(), told)


def imported_gradient(before: Path, gradient: Path, told: Told) -> Recording:
    """An update as the mean gradient of one batch at the weights in `before`: one step of SGD at a rate of 1.

    The weights after it have so many bits that their difference is the gradient again. Raises as `imported_update`.
    """
    task = task_of(told.task)
    weights = _state(before, task)
    own = _gradient(read_state(_known(gradient)), weights, task, gradient)
    after: NamedTensors = {name: weights.parameters[name].double() - value.double() for name, value in own.items()}
    return _recording(weights, after, told)


def imported_journal(folder: Path, told: Told) -> Iterator[tuple[Recording | None, str]]:
    """Each reply to a training message in a folder of the tap, or None and why it is none; and whose it is, in words.

    Clients are numbered in the order of their nodes' ids. Raises `RecordingError` where the folder is none of the
    tap's or has no such reply, and `DataError` at the first whose tensors do not fit the task.
    """
    try:
        exchanges = [one for one in read_journal(folder) if one.type.partition(".")[0] == TRAIN]
        clients = {node: client for client, node in enumerate(sorted({one.node for one in exchanges}))}
        seen: set[tuple[int, int]] = set()
        for one in exchanges:
            who = f"round {one.round}, node {one.node} (client {clients[one.node]})"
            recording, why = _heard(one, f"{who} of {folder}", clients[one.node], told)
            if recording is not None and (one.round, one.node) in seen:
                recording, why = None, "a second update of the same round"
            if recording is not None:
                seen.add((one.round, one.node))
            yield recording, f"{who}: {why}" if why else who
    except JournalError as error:
        raise RecordingError(str(error)) from error
    if not seen:
        raise RecordingError(
            f"{folder}: expected replies to training messages, with arrays, got none in {len(exchanges)} messages"
        )


def _heard(one: Exchange, where: str, client: int, told: Told) -> tuple[Recording | None, str]:
    if one.received is None:
        return None, one.error or "no reply"
    sent, came = one.sent.arrays(), one.received.arrays()
    if not sent or not came:
        return None, "no arrays went both ways"
    task = task_of(told.task)
    try:
        tensors = ({name: torch.tensor(array) for name, array in arrays.items()} for arrays in (sent, came))
        before, after = (fitted(_named(each, _all(task), where), task, where) for each in tensors)
    except NonFiniteError as error:
        return None, str(error)
    numbers = one.received.numbers
    said = next((int(numbers[name]) for name in EXAMPLES if name in numbers), told.examples)
    own = Told(task=told.task, training=told.training, examples=said, client=client, round=one.round, seed=told.seed)
    return _recording(before, after.state_dict(), own, numbers), ""


def _recording(
    before: Weights, payload: NamedTensors, told: Told, numbers: dict[str, float] | None = None
) -> Recording:
    return Recording(
        settings=told.task,
        before=before,
        payload=payload,
        kind="weights",
        cohort=(told.client,),
        round=told.round,
        num_examples=told.examples,
        training=told.training,
        chain=Chain(),
        defense="none",
        seed=told.seed,
        metrics=numbers or {},
    )


def _state(path: Path, task: Task) -> Weights:
    return fitted(_named(read_state(_known(path)), _all(task), str(path)), task, str(path))


def _gradient(content: NamedTensors, weights: Weights, task: Task, path: Path) -> NamedTensors:
    names = list(weights.parameters)
    own = bare(_named(content, names, str(path)), names_of(task.network))
    for wrong, how in (([n for n in names if n not in own], "no"), ([n for n in own if n not in names], "a")):
        if wrong:
            raise DataError(
                f"{path}: expected a gradient for each parameter and no more, got {how} '{wrong[0]}'; choose the task "
                "it is of"
            )
    return fitted({**weights.state_dict(), **own}, task, str(path)).parameters


def _known(path: Path) -> Path:
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: expected a file of {', '.join(SUFFIXES)}, got '{path.suffix}'; save it as one")
    return path


def _all(task: Task) -> list[str]:
    return list(task.network.state_dict())


def _named(content: NamedTensors, names: Sequence[str], where: str) -> NamedTensors:
    """Tensors that have numbers for names, under those of the network's, in its order; others as they are."""
    numbers = {name: name.removeprefix(NUMPY_S_OWN) for name in content if name != PLACEHOLDER}
    if not numbers or not all(number.isdecimal() for number in numbers.values()):
        return content
    ordered = sorted(numbers, key=lambda name: int(numbers[name]))
    if len(ordered) != len(names):
        raise DataError(
            f"{where}: expected {len(names)} tensors, in the order of the network's, got {len(ordered)}; choose the "
            "task that they are of"
        )
    return {own: content[name] for own, name in zip(names, ordered, strict=True)}
