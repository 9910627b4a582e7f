"""Updates of other federations become the recordings that fedleak's own would have been, or one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Error, Message, MetricRecord, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from safetensors.torch import save_file

from fedleak.contracts.observation import Observation
from fedleak.errors import DataError, NonFiniteError, RecordingError, UserError
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import NamedTensors
from fedleak.recording.files import read_recording, write_recording
from fedleak.recording.imported import Told, imported_gradient, imported_journal, imported_update
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights, task_of
from fedleak.wiretap.journal import Journal
from fedleak.wiretap.recorder import Recorder

TASK, WITH_BUFFERS = "digits-mlp", "digits-resnet18"
STEP = LocalTraining(batch_size=2, learning_rate=0.5)
TOLD = Told(task=TaskSettings.model_validate(TASK), training=STEP, examples=2)


def before(task: str = TASK) -> NamedTensors:
    state = initial_weights(task, 0).state_dict()
    return {name: state[name] for name in task_of(task).network.state_dict()}


def gradient() -> NamedTensors:
    rng = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(value.shape, generator=rng) * 1e-3
        for name, value in initial_weights(TASK, 0).parameters.items()
    }


def after(task: str = TASK) -> NamedTensors:
    return {name: value + 1 for name, value in before(task).items()}


def in_torch(path: Path, state: NamedTensors) -> Path:
    torch.save({"state_dict": state}, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


def in_safetensors(path: Path, state: NamedTensors) -> Path:
    save_file({f"module.{name}": value.contiguous() for name, value in state.items()}, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def in_numpy(path: Path, state: NamedTensors) -> Path:
    np.savez(path.with_suffix(".npz"), **{name: value.numpy() for name, value in state.items()})
    return path.with_suffix(".npz")


def as_list_in_torch(path: Path, state: NamedTensors) -> Path:
    torch.save(list(state.values()), path.with_suffix(".pt"))
    return path.with_suffix(".pt")


def as_list_in_numpy(path: Path, state: NamedTensors) -> Path:
    np.savez(path.with_suffix(".npz"), *[value.numpy() for value in state.values()])
    return path.with_suffix(".npz")


KINDS = pytest.mark.parametrize("saved", [in_torch, in_safetensors, in_numpy, as_list_in_torch, as_list_in_numpy])
Saved = Callable[[Path, NamedTensors], Path]


def kept(recording: object, folder: Path) -> Observation:
    return read_recording(write_recording(folder, recording)).observation()


@KINDS
def test_two_state_dicts_are_an_update(saved: Saved, tmp_path: Path) -> None:
    update = imported_update(saved(tmp_path / "before", before()), saved(tmp_path / "after", after()), TOLD)
    seen = kept(update, tmp_path)
    assert all(torch.equal(seen.before.state_dict()[name], value) for name, value in before().items())
    assert all(torch.allclose(value, torch.ones(()), atol=1e-6) for value in seen.update.tensors.values())
    assert (seen.num_examples, seen.training, seen.cohort, seen.round) == (2, STEP, (0,), 1)


@pytest.mark.slow
def test_what_is_no_parameter_comes_along(tmp_path: Path) -> None:
    told = Told(task=TaskSettings.model_validate(WITH_BUFFERS), training=STEP)
    states = (
        as_list_in_torch(tmp_path / "before", before(WITH_BUFFERS)),
        as_list_in_numpy(tmp_path / "after", after(WITH_BUFFERS)),
    )
    seen = kept(imported_update(*states, told), tmp_path)
    assert seen.buffers_after is not None
    assert all(torch.equal(value, seen.before.buffers[name] + 1) for name, value in seen.buffers_after.items())


@KINDS
def test_a_gradient_comes_back_to_the_last_bit(saved: Saved, tmp_path: Path) -> None:
    step = Told(task=TOLD.task, training=LocalTraining(batch_size=2, learning_rate=1.0))
    seen = kept(
        imported_gradient(in_torch(tmp_path / "before", before()), saved(tmp_path / "g", gradient()), step), tmp_path
    )
    assert all(torch.equal(seen.gradient()[name], value) for name, value in gradient().items())


def without(state: NamedTensors, name: str) -> NamedTensors:
    return {key: value for key, value in state.items() if key != name}


FIRST = next(iter(before()))
WRONG: list[tuple[NamedTensors, str]] = [
    (without(after(), FIRST), f"{FIRST} missing"),
    ({**after(), "more.weight": torch.ones(2)}, "more.weight unexpected"),
    ({**after(), FIRST: torch.ones(2, 3)}, f"expected '{FIRST}' of shape"),
    ({"0": torch.ones(2)}, "in the order of the network's, got 1"),
]


@pytest.mark.parametrize(("state", "sentence"), WRONG)
def test_a_state_of_another_network_is_a_sentence(state: NamedTensors, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        imported_update(in_torch(tmp_path / "before", before()), in_numpy(tmp_path / "after", state), TOLD)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (without(gradient(), FIRST), f"got no '{FIRST}'"),
        ({**gradient(), "1.running_mean": torch.ones(64)}, "got a '1.running_mean'"),
        ({**gradient(), FIRST: torch.ones(2)}, f"expected '{FIRST}' of shape"),
    ],
)
def test_a_gradient_of_another_network_is_a_sentence(state: NamedTensors, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        imported_gradient(in_torch(tmp_path / "before", before()), in_numpy(tmp_path / "g", state), TOLD)


def test_what_is_not_finite_is_a_sentence(tmp_path: Path) -> None:
    state = {**after(), FIRST: after()[FIRST] * torch.nan}
    with pytest.raises(NonFiniteError, match=f"'{FIRST}' is not finite"):
        imported_update(in_torch(tmp_path / "before", before()), in_numpy(tmp_path / "after", state), TOLD)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("after.h5", b"", "expected a file of .safetensors"),
        ("after.npz", b"PK\x03\x04", "truncated or holds more than tensors"),
        ("after.pt", b"\x80", "truncated or holds more than tensors"),
        ("after.safetensors", b"\x08", "truncated or holds more than tensors"),
    ],
)
def test_a_file_of_another_kind_is_a_sentence(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        imported_update(in_torch(tmp_path / "before", before()), tmp_path / name, TOLD)


class Runs:
    """What a file would run if it were unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return pytest.fail, ("it was run",)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    torch.save({"w": Runs()}, tmp_path / "a.pt")
    np.savez(tmp_path / "a.npz", w=np.array([Runs()], object))
    for name in ("a.pt", "a.npz"):
        with pytest.raises(DataError, match="more than tensors"):
            imported_update(in_torch(tmp_path / "before", before()), tmp_path / name, TOLD)


# Folders of the tap.


def tapped(folder: Path, *exchanges: tuple[int, NamedTensors | str | None, bool]) -> Path:
    """Messages of one round each: to whom, what came back (an error, or nothing), and whether arrays have names."""
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1
    recorder = Recorder(Journal(folder, 10**9), most_rounds=100, values=())
    for number, (node, came, named) in enumerate(exchanges):
        sent = Message(RecordDict({"a": record(before(), named)}), node, "train", group_id="7")
        sent.metadata.__dict__["_message_id"] = str(number)
        recorder.sent([sent], [str(number)])
        if isinstance(came, dict):
            metrics = MetricRecord({"num_examples": 3, "loss": 0.5})
            recorder.received([Message(RecordDict({"a": record(came, named), "m": metrics}), reply_to=sent)])
        elif came is not None:
            recorder.received([Message(Error(code=2, reason=came), reply_to=sent)])
    recorder.close()
    return folder


def record(state: NamedTensors, named: bool) -> ArrayRecord:
    names = state if named else map(str, range(len(state)))
    return ArrayRecord({name: Array(value.numpy()) for name, value in zip(names, state.values(), strict=True)})


@pytest.mark.parametrize("named", [True, False])
def test_replies_in_a_folder_of_the_tap_are_updates(named: bool, tmp_path: Path) -> None:
    folder = tapped(tmp_path / "tap", (2**60, after(), named), (5, after(), named))
    found = [recording for recording, _ in imported_journal(folder, TOLD)]
    assert [(one.cohort, one.round, one.num_examples) for one in found if one] == [((1,), 7, 3), ((0,), 7, 3)]
    seen = kept(found[0], tmp_path)
    assert all(torch.allclose(value, torch.ones(()), atol=1e-6) for value in seen.update.tensors.values())


def test_what_is_no_update_is_said_why(tmp_path: Path) -> None:
    broken = {**after(), FIRST: after()[FIRST] * torch.nan}
    folder = tapped(
        tmp_path / "tap", (5, "out of memory", True), (6, None, True), (8, broken, True), (9, after(), True)
    )
    left = [why for recording, why in imported_journal(folder, TOLD) if recording is None]
    assert [part.split(": ", 1)[1].split(" (")[0] for part in left[:2]] == ["out of memory", "no reply"]
    assert f"'{FIRST}' is not finite" in left[2]


def test_a_folder_of_another_network_is_a_sentence_that_names_the_message(tmp_path: Path) -> None:
    folder = tapped(tmp_path / "tap", (5, after(), True))
    other = Told(task=TaskSettings.model_validate("digits-lenet"), training=STEP)
    with pytest.raises(DataError, match=r"round 7, node 5.*is of another network"):
        list(imported_journal(folder, other))


def test_a_folder_without_updates_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="got none in 1 messages"):
        list(imported_journal(tapped(tmp_path / "tap", (5, None, True)), TOLD))
    with pytest.raises(RecordingError, match="cannot read"):
        list(imported_journal(tmp_path / "nothing", TOLD))


def test_arrays_that_were_changed_are_a_sentence(tmp_path: Path) -> None:
    folder = tapped(tmp_path / "tap", (5, after(), True))
    for path in (folder / "arrays").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(RecordingError, match="expected a file of that digest"):
        list(imported_journal(folder, TOLD))
