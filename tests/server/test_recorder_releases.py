"""Models that leave the federation: which are recorded, what they are, and what trained for them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fedleak.contracts.observation import Observation
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.data.splits import load
from fedleak.errors import ConfigError, FedleakError, RecordingError
from fedleak.evaluation.message import Message
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.batch import joined
from fedleak.recording.files import find_recordings, read_recording
from fedleak.recording.recording import Recording
from fedleak.settings.base import parse_settings
from fedleak.vault.shares import trained_until

FEDERATION = {"clients": 3, "rounds": 3, "batch_size": 4, "batches": 2, "learning_rate": 0.05}
MASKED = [{"use": "secure-aggregation", "keys": "seeded"}]


def plan_in(folder: Path, **changes: Any) -> FederationPlan:
    places = {"task": "digits-mlp", "recordings": str(folder / "recordings"), "vault": str(folder / "truth")}
    return parse_settings(FederationPlan, {**places, "federation": FEDERATION, **changes})


def recorded(plan: FederationPlan) -> dict[str, Recording]:
    run_federation(plan)
    folder = Path(plan.recordings)
    return {f"{path.parent.name}/{path.stem}": read_recording(path) for path in find_recordings(folder)}


@pytest.mark.slow
@pytest.mark.parametrize(("release", "rounds"), [("last", [3]), ("every", [1, 2, 3]), ([1, 3], [1, 3]), (None, [])])
def test_the_model_is_recorded_after_the_rounds_that_release_it(
    tmp_path: Path, release: Any, rounds: list[int]
) -> None:
    settings = {**FEDERATION, **({} if release is None else {"release": release})}
    found = recorded(plan_in(tmp_path, federation=settings, records=["model"]))
    assert list(found) == [f"round-{round:04d}/model" for round in rounds]
    assert all(one.views == {Released, Served} for one in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("chain", [[], [{"use": "clipping", "max_norm": 0.1}], MASKED])
def test_a_released_model_is_what_the_next_round_begins_with(tmp_path: Path, chain: list[dict[str, Any]]) -> None:
    found = recorded(plan_in(tmp_path, federation={**FEDERATION, "release": "every"}, chain=chain))
    for round in (1, 2):
        model, sent = found[f"round-{round:04d}/model"], found[f"round-{round + 1:04d}/client-0000"]
        assert sent.views == {Observation}
        for name, value in sent.before.state_dict().items():
            assert torch.equal(model.released().weights.state_dict()[name], value), name


@pytest.mark.slow
def test_what_is_recorded_changes_nothing_of_the_training(tmp_path: Path) -> None:
    settings = {**FEDERATION, "release": "last"}
    ways = {"model": ["model"], "both": ["updates", "model"]}
    last = [recorded(plan_in(tmp_path / name, federation=settings, records=how)) for name, how in ways.items()]
    alone, with_updates = (found["round-0003/model"].before.state_dict() for found in last)
    assert all(torch.equal(alone[name], value) for name, value in with_updates.items())
    plain = recorded(plan_in(tmp_path / "plain"))
    assert plain.keys() == last[1].keys() - {"round-0003/model"}


def keys(inputs: torch.Tensor) -> set[bytes]:
    return {example.numpy().tobytes() for example in inputs}


def test_the_truth_of_a_model_is_all_that_trained_for_it_up_to_its_round(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, federation={**FEDERATION, "release": "every"})
    recorded(plan)
    of_rounds = [trained_until(Path(plan.vault), round) for round in (1, 2, 3)]
    assert [sorted(own) for own in of_rounds] == [[0, 1, 2]] * 3
    seen = [keys(own[0].inputs) for own in of_rounds]
    assert len(seen[0]) == 8
    assert seen[0] < seen[1] < seen[2]
    assert seen[2] <= keys(load(plan.source).clients.inputs)


def test_rounds_that_nobody_records_count_too(tmp_path: Path) -> None:
    trained = {"trained_rounds": 1, "trained_batch_size": 64}
    plan = plan_in(tmp_path, federation={**FEDERATION, "release": "last"}, records=["model"], model=trained)
    recorded(plan)
    everything = trained_until(Path(plan.vault), 0)
    assert sum(len(own) for own in everything.values()) == len(load(plan.source).clients)


@pytest.mark.slow
def test_recorded_rounds_take_of_what_was_not_trained_on_before_them(tmp_path: Path) -> None:
    trained = {"trained_rounds": 1, "trained_batch_size": 64, "trained_examples": 100}
    for batches in (2, "all"):
        settings = {**FEDERATION, "batches": batches, "rounds": 2, "release": "every"}
        plan = plan_in(tmp_path / str(batches), federation=settings, records=["model"], model=trained)
        recorded(plan)
        vault = Path(plan.vault)
        before, later = trained_until(vault, 0), trained_until(vault, 2, after=0)
        assert [len(own) for own in before.values()] == [100] * 3
        assert not keys(joined(before.values()).inputs) & keys(joined(later.values()).inputs)
        if batches == "all":
            assert len(joined(before.values())) + len(joined(later.values())) == len(load(plan.source).clients)


def test_who_trains_on_all_before_has_nothing_left(tmp_path: Path) -> None:
    trained = {"trained_rounds": 1, "trained_examples": 1000}
    with pytest.raises(FedleakError, match=r"client \d has \d+ examples, so that 1000 leave none for the"):
        run_federation(plan_in(tmp_path, model=trained))
    with pytest.raises(ConfigError, match="no trained_examples where trained_rounds is 0"):
        plan_in(tmp_path, model={"trained_examples": 3})
    trained = {"trained_rounds": 1, "trained_examples": 355}
    with pytest.raises(FedleakError, match="examples that it did not train on before the recorded rounds and a round"):
        run_federation(plan_in(tmp_path, model=trained))


@pytest.mark.slow
def test_what_an_earlier_run_left_in_the_folders_is_neither_a_release_nor_its_truth(tmp_path: Path) -> None:
    recorded(plan_in(tmp_path, federation={**FEDERATION, "release": "every"}, records=["model"], seed=1))
    again = {**FEDERATION, "clients": 2, "release": "last"}
    plan = plan_in(tmp_path, federation=again, records=["model"], seed=2)
    assert list(recorded(plan)) == ["round-0003/model"]
    (path,) = find_recordings(Path(plan.recordings))
    message = Message(path=path, recordings=Path(plan.recordings), vault=Path(plan.vault))
    other = plan_in(tmp_path / "new", federation=again, records=["model"], seed=2)
    recorded(other)
    assert keys(message.truth.inputs) == {
        key for own in trained_until(Path(other.vault), 3).values() for key in keys(own.inputs)
    }


def test_without_a_release_no_share_is_kept(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    recorded(plan)
    assert not (Path(plan.vault) / "shares").exists()
    with pytest.raises(RecordingError, match="nothing tells what the model after round 3 was trained on"):
        trained_until(Path(plan.vault), 3)


@pytest.mark.parametrize("damage", ["{", '["a"]', "[1000000]"])
def test_damaged_places_are_one_sentence(tmp_path: Path, damage: str) -> None:
    plan = plan_in(tmp_path, federation={**FEDERATION, "rounds": 1, "release": "last"})
    recorded(plan)
    (Path(plan.vault) / "shares" / "client-0001-round-0001.json").write_text(damage)
    with pytest.raises(RecordingError, match="client-0001"):
        trained_until(Path(plan.vault), 1)
