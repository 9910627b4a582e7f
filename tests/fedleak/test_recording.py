"""A recording survives the disk unchanged, and damage to it is one sentence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.errors import OutputError, RecordingError
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import Weights
from fedleak.recording import Recording, find_recordings, read_recording, write_recording
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights
from fedleak.vault import PrivateBatch, deposit, stem_of, withdraw


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
    )
    deposit(tmp_path, truth)
    back = withdraw(tmp_path, 2, 3)
    assert (back.seed_key, back.training, back.client, back.round) == (truth.seed_key, truth.training, 3, 2)
    assert torch.equal(back.examples.inputs, truth.examples.inputs)
    stem_of(tmp_path, 2, 3).with_suffix(".json").write_text("{}")
    with pytest.raises(RecordingError, match="not the truth of a client"):
        withdraw(tmp_path, 2, 3)
    with pytest.raises(RecordingError, match="cannot read"):
        withdraw(tmp_path, 9, 9)
