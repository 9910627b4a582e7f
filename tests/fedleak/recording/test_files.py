"""A recording survives the disk unchanged, and damage to it is one sentence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.contracts.chain import Chain
from fedleak.errors import OutputError, RecordingError
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import Weights
from fedleak.recording.files import find_recordings, read_recording, write_recording
from fedleak.recording.payload import RING, Payload
from fedleak.recording.recording import Recording
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights
from fedleak.vault.batches import PrivateBatch, deposit, stem_of, withdraw


def recording() -> Recording:
    before = initial_weights("digits-mlp", 0)
    return Recording(
        settings=TaskSettings.model_validate("digits-mlp"),
        before=before,
        payload={name: value + 1 for name, value in before.state_dict().items()},
        kind="weights",
        cohort=(3,),
        round=2,
        num_examples=5,
        training=LocalTraining(batch_size=5).hiding(("epochs",)),
        chain=Chain.build(({"use": "clipping", "max_norm": 1.0},)),
        defense="clipped",
        seed=7,
        metrics={"train_loss": 2.5},
    )


def test_it_survives_the_disk(tmp_path: Path) -> None:
    path = write_recording(tmp_path, recording())
    for either in (path, path.with_suffix(".safetensors")):
        back = read_recording(either)
        empty = Weights({}, {})
        assert replace(back, before=empty, payload={}) == replace(recording(), before=empty, payload={})
        assert all(torch.equal(value, back.payload[name]) for name, value in recording().payload.items())
    assert find_recordings(tmp_path) == [path]
    assert json.loads(path.read_text())["unknown"] == ["epochs"]


def test_its_observation_holds_the_delta_and_what_is_known() -> None:
    observation = recording().observation()
    torch.testing.assert_close(observation.update.vector(), torch.ones(9610))
    assert observation.training.steps is None
    assert observation.examples() == 5
    assert [defense.name for defense in observation.defense] == ["clipping"]


@pytest.mark.parametrize("damage", ["truncate tensors", "truncate facts", "no tensors", "other format", "no cohort"])
def test_damage_is_one_sentence(tmp_path: Path, damage: str) -> None:
    path = write_recording(tmp_path, recording())
    tensors = path.with_suffix(".safetensors")
    facts = json.loads(path.read_text())
    if damage == "truncate tensors":
        tensors.write_bytes(tensors.read_bytes()[:-100])
    elif damage == "truncate facts":
        path.write_text(path.read_text()[:50])
    elif damage == "no tensors":
        tensors.unlink()
    elif damage == "other format":
        path.write_text(json.dumps({**facts, "format": "mp3"}))
    else:
        path.write_text(json.dumps({key: value for key, value in facts.items() if key != "cohort"}))
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "evil"}, {"cohort": "abc"}, {"cohort": []}, {"cohort": [-1]}, {"round": -1}, {"round": "../../x"},
        {"seed": None}, {"training": None}, {"parameters": [], "buffers": []},
    ],
    ids=str,
)  # fmt: skip
def test_facts_of_a_model_that_are_none_are_one_sentence(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = write_recording(tmp_path, replace(recording(), kind="model", payload={}))
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(RecordingError, match="is damaged") as caught:
        read_recording(path)
    assert "\n" not in str(caught.value)


OURS, FLOWERS = {"use": "secure-aggregation"}, {"use": "secure-aggregation-flower"}
NARROW = {**OURS, "ring_bits": 32, "max_value": 1.0}


def masked(table: dict[str, Any], vector: torch.Tensor, kind: Payload = "masked") -> Recording:
    return replace(recording(), chain=Chain.build((table,)), payload={RING: vector}, kind=kind)


@pytest.mark.parametrize(
    ("table", "entries", "dtype"),
    [(OURS, 9611, torch.int64), (NARROW, 9612, torch.int32), (FLOWERS, 9611, torch.int32)],
)
def test_a_vector_over_another_ring_or_of_another_length_is_one_sentence(
    tmp_path: Path, table: dict[str, Any], entries: int, dtype: torch.dtype
) -> None:
    write_recording(tmp_path, masked(table, torch.ones(entries, dtype=dtype)))
    read_recording(tmp_path / "round-0002" / "client-0003").observation()
    other = torch.int32 if dtype is torch.int64 else torch.int64
    vectors = [torch.ones(shape, dtype=dtype) for shape in (0, 10, entries - 1, entries + 1, (1, entries))]
    for vector in (*vectors, torch.ones(entries, dtype=other), torch.ones(entries)):
        path = write_recording(tmp_path, masked(table, vector))
        with pytest.raises(
            RecordingError, match=f"expected {entries} elements of .* bits, .*; record it again"
        ) as caught:
            read_recording(path)
        assert "\n" not in str(caught.value)


def test_a_sum_is_as_long_as_every_vector_in_it(tmp_path: Path) -> None:
    path = write_recording(tmp_path, masked(OURS, torch.ones(100, dtype=torch.int64), "aggregate"))
    with pytest.raises(RecordingError, match="expected 9611 elements of 64 bits"):
        read_recording(path)


def test_a_vector_over_a_ring_needs_a_defense_that_masks(tmp_path: Path) -> None:
    path = write_recording(tmp_path, masked({"use": "clipping", "max_norm": 1.0}, torch.ones(9611, dtype=torch.int64)))
    with pytest.raises(RecordingError, match="record it again"):
        read_recording(path)


@pytest.mark.parametrize("command", [("attack", "--use", "dlg", "--set", "steps=1"), ("profile",)])
def test_under_a_command_it_is_the_same_sentence(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = write_recording(tmp_path, masked(OURS, torch.ones(10, dtype=torch.int64)))
    said = CliRunner().invoke(app, [command[0], str(path), *command[1:]])
    assert said.exit_code == 2
    assert "expected 9611 elements of 64 bits" in " ".join(said.stderr.split())


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match=r"cannot write .* choose another --out"):
        write_recording(tmp_path / "taken", recording())


def test_the_vault_gives_back_what_was_deposited(tmp_path: Path) -> None:
    truth = PrivateBatch(
        examples=Batch(torch.rand(2, 1, 8, 8), torch.tensor([1, 2])),
        training=LocalTraining(batch_size=2),
        seed_key=(7, "client", 3, 2),
        client=3,
        round=2,
        planted=5,
    )
    deposit(tmp_path, truth)
    back = withdraw(tmp_path, 2, 3)
    assert (back.seed_key, back.training, back.client, back.round) == (truth.seed_key, truth.training, 3, 2)
    assert back.planted == 5
    assert torch.equal(back.examples.inputs, truth.examples.inputs)
    stem_of(tmp_path, 2, 3).with_suffix(".json").write_text("{}")
    with pytest.raises(RecordingError, match="not the truth of a client"):
        withdraw(tmp_path, 2, 3)
    with pytest.raises(RecordingError, match="cannot read"):
        withdraw(tmp_path, 9, 9)
