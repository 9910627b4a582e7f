"""Updates are each what the model makes of other records than those that it knows."""

import pytest
import torch

from fedleak.data.splits import load
from fedleak.learning.facts import LocalTraining
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.stacked_updates import updates_of
from fedleak.randomness import generator
from fedleak.tasks import task_of

TASK, RECORDS = task_of("digits-mlp"), load("digits-mlp").auxiliary[torch.arange(20)]
TRAINING = LocalTraining(batch_size=1, batches=None)
KNOWN = torch.rand(3, 20, generator=generator("known")).argsort(1) < 12


def asked(count: int = 12, clients: int = 1, examples: int = 1, known: torch.Tensor = KNOWN) -> StackedFederations:
    counts = {"count": count, "clients": clients, "examples": examples}
    return updates_of(TASK, RECORDS, {}, known, TRAINING, **counts, rounds=1, seed=3)


@pytest.mark.parametrize(
    ("count", "clients", "examples", "shape"),
    [
        (12, 1, 1, (12, 1, 1)),
        (12, 2, 4, (12, 2, 2)),
        (12, 4, 6, (12, 4, 1)),
        (99, 1, 1, (24, 1, 1)),
        (1, 1, 1, (3, 1, 1)),
    ],
)
def test_there_are_as_many_of_each_model(count: int, clients: int, examples: int, shape: tuple[int, ...]) -> None:
    assert asked(count, clients, examples).shares.shape == shape


@pytest.mark.parametrize("examples", [1, 3, 8])
def test_they_are_by_records_that_the_model_does_not_know_none_twice(examples: int) -> None:
    shares = asked(12, 1, examples).shares.flatten(1)
    for place, own in enumerate(shares.reshape(3, 4, examples)):
        assert not KNOWN[place][own].any()
        assert all(len(set(one)) == examples for one in own.tolist())
    assert examples > 1 or len(set(shares[:4, 0].tolist())) == 4


def test_where_there_are_too_few_records_come_again() -> None:
    assert asked(12, 2, 30).shares.shape == (12, 2, 15)
    everything = torch.ones(1, 20, dtype=torch.bool)
    assert asked(5, 1, 1, everything).shares.unique().numel() == 5


def test_dice_are_cast_by_what_is_asked() -> None:
    assert torch.equal(asked().shares, asked().shares)
    assert not torch.equal(asked(12, 1, 2).shares, asked(12, 2, 2).shares.reshape(12, 1, 2))
