"""Copies of public examples among clients' examples: who holds them is chance, and nobody has one twice."""

import pytest
import torch

from fedleak.data.planted import NOBODY, owners_of, with_planted
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch


def batch(first: int, count: int) -> Batch:
    values = torch.arange(first, first + count)
    return Batch(values.float().reshape(-1, 1, 1, 1) / 1000, values % 10)


SHARE, PUBLIC = batch(500, 7), batch(0, 40)


def test_each_copy_is_with_one_client_or_with_nobody() -> None:
    owners = owners_of(40, 3, 1)
    for client in range(3):
        whole = with_planted(SHARE, PUBLIC, 40, 3, 1, client)
        mine = PUBLIC[torch.nonzero(owners == client).flatten()]
        assert torch.equal(whole.inputs, torch.cat([SHARE.inputs, mine.inputs]))
        assert torch.equal(whole.labels, torch.cat([SHARE.labels, mine.labels]))
    assert set(owners.tolist()) == {NOBODY, 0, 1, 2}


def test_half_go_to_nobody_and_the_rest_to_each_client_alike() -> None:
    owners = torch.stack([owners_of(40, 4, seed) for seed in range(200)])
    assert float((owners == NOBODY).double().mean()) == pytest.approx(0.5, abs=0.02)
    for client in range(4):
        assert float((owners == client).double().mean()) == pytest.approx(0.125, abs=0.015)
    of_each = (owners == NOBODY).double().mean(0)  # no record is likelier than another
    assert float((of_each - 0.5).abs().max()) < 0.15


def test_only_the_first_are_given_and_there_must_be_so_many() -> None:
    given = [with_planted(SHARE, PUBLIC, 5, 1, seed, 0).inputs[7:] for seed in range(20)]
    assert {round(float(value) * 1000) for one in given for value in one.flatten()} == set(range(5))
    with pytest.raises(ConfigError, match=r"at most the 40 public examples that there are, got 41; lower it"):
        with_planted(SHARE, PUBLIC, 41, 1, 0, 0)
