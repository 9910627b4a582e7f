"""Federations by share: each has the share that it is said to have, of records of its own; or a sentence why not."""

from typing import Any

import pytest
import torch

from fedleak.data.splits import load
from fedleak.errors import NotApplicable
from fedleak.learning.facts import LocalTraining
from fedleak.learning.federations_by_share import federations_by_share
from fedleak.learning.having import having
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.tasks import task_of


def asked(shares: tuple[float, ...] = (0.25, 0.5), **changed: Any) -> tuple[StackedFederations, torch.Tensor]:
    records = load("diabetes-mlp").auxiliary
    usual = {"has": having(records, "sex=2", "here"), "federations": 12, "clients": 3, "examples": 24, "rounds": 1}
    training = LocalTraining(batch_size=4)
    return federations_by_share(task_of("diabetes-mlp"), records, training, shares=shares, **{**usual, **changed})


@pytest.mark.parametrize("shares", [(0.25, 0.5), (0.0, 1.0, 0.5), (0.3, 0.6)])
def test_each_has_its_share_and_no_record_twice(shares: tuple[float, ...]) -> None:
    federations, answers = asked(shares)
    has = having(federations.records, "sex=2", "here")
    everybody = federations.shares.flatten(1)
    assert everybody.shape == (12, 24)
    assert all(len(own.unique()) == 24 for own in everybody)
    wanted = [round(24 * shares[answer]) for answer in answers.tolist()]
    assert has[everybody].sum(1).tolist() == wanted
    assert torch.bincount(answers).tolist() == [12 // len(shares)] * len(shares)


def test_clients_are_alike_and_federations_are_not() -> None:
    federations, _ = asked(federations=400)
    has = having(federations.records, "sex=2", "here")
    by_client = has[federations.shares].double().mean((0, 2))
    assert by_client.tolist() == pytest.approx([0.375] * 3, abs=0.03)
    assert len({tuple(own.sort().values.tolist()) for own in federations.shares.flatten(1)}) == 400


def test_the_same_question_is_the_same_to_the_last_bit_and_another_is_another() -> None:
    assert asked()[0].address == asked()[0].address
    assert len({asked()[0].address, asked((0.25, 0.75))[0].address, asked(rounds=2)[0].address}) == 3


def test_where_nobody_says_how_many_there_are_as_many_as_there_can_be() -> None:
    federations, _ = asked((0.25, 0.5), examples=None)
    ours = int(having(federations.records, "sex=2", "here").sum())
    most = min(ours / 0.5, (len(federations.records) - ours) / 0.75)
    assert federations.shares.flatten(1).shape[1] == int(most) // 3 * 3


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"examples": 87}, "need 22 public examples with the property and 65 without for a share of 0.25 among 87"),
        ({"examples": 2}, "3 clients cannot share out 2 examples"),
    ],
)
def test_too_few_records_are_one_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NotApplicable, match=sentence):
        asked(**changed)
