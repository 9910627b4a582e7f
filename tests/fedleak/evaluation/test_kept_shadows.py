"""Kept shadows: trained once for all who ask the same, within so many bytes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import sleep

import pytest
import torch

from fedleak.evaluation.kept_shadows import KeptShadows
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.task import Task

TASK = Task("tiny", torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)), (1, 2, 2), 2)
RECORDS = Batch(torch.linspace(0, 1, 80).reshape(20, 1, 2, 2), torch.arange(20) % 2)
BYTES = 3 * 10 * 4
"""Three models of ten parameters."""


def asked(rounds: int = 1) -> StackedFederations:
    training = LocalTraining(batch_size=5, batches=None)
    return StackedFederations.drawn(TASK, RECORDS, training, federations=3, clients=2, examples=10, rounds=rounds)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rounds of what was trained, in order."""
    done, train = [], StackedFederations.trained

    def trained(federations: StackedFederations) -> dict[str, torch.Tensor]:
        done.append(federations.rounds)
        return train(federations)

    monkeypatch.setattr(StackedFederations, "trained", trained)
    return done


def test_a_second_one_who_asks_the_same_trains_none(tmp_path: Path, trainings: list[int]) -> None:
    first = KeptShadows(tmp_path / "shadows").trained(asked())
    second = KeptShadows(tmp_path / "shadows").trained(asked())
    assert trainings == [1]
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_who_asks_something_else_does(tmp_path: Path, trainings: list[int]) -> None:
    bank = KeptShadows(tmp_path)
    bank.trained(asked())
    bank.trained(asked(2))
    bank.trained(replace(asked(), seed=1))
    assert trainings == [1, 2, 1]


def test_what_was_used_least_recently_makes_room(tmp_path: Path, trainings: list[int]) -> None:
    KeptShadows(tmp_path / "one").trained(asked())
    (one,) = (path.stat().st_size for path in (tmp_path / "one").glob("*.safetensors"))
    trainings.clear()
    bank = KeptShadows(tmp_path, most=one + one // 2 + BYTES)  # room for two
    for rounds in (1, 2, 1, 3, 1, 2):
        bank.trained(asked(rounds))
    assert trainings == [1, 2, 3, 2]
    assert len(list(tmp_path.glob("*.safetensors"))) == len(list(tmp_path.glob("*.json"))) == 2


def test_what_is_larger_than_the_folder_may_be_is_not_kept(tmp_path: Path, trainings: list[int]) -> None:
    bank = KeptShadows(tmp_path, most=BYTES - 1)
    assert bank.trained(asked())["1.weight"].shape == (3, 2, 4)
    bank.trained(asked())
    assert trainings == [1, 1]
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_of_several_workers_that_ask_the_same_one_trains(
    tmp_path: Path, trainings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = StackedFederations.trained

    def slowly(federations: StackedFederations) -> dict[str, torch.Tensor]:
        sleep(0.05)
        return counted(federations)

    monkeypatch.setattr(StackedFederations, "trained", slowly)
    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(lambda _: KeptShadows(tmp_path).trained(asked()), range(3))
    assert trainings == [1]
    assert all(torch.equal(value, other[name]) for other in others for name, value in first.items())


def test_a_damaged_one_is_trained_anew(tmp_path: Path, trainings: list[int]) -> None:
    bank = KeptShadows(tmp_path)
    whole = bank.trained(asked())
    next(tmp_path.glob("*.safetensors")).write_bytes(b"half")
    again = [bank.trained(asked()) for _ in range(3)]
    assert trainings == [1, 1]
    assert all(torch.equal(value, one[name]) for one in again for name, value in whole.items())
