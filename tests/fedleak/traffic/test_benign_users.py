"""Users who mean no harm ask what detectors have not learnt, each in an order of their own."""

import torch

from fedleak.data.splits import load
from fedleak.traffic.benign_users import BenignUsers


def test_they_ask_what_no_detector_learnt_from(cells):
    users = BenignUsers.of(cells["usual"][0])
    learnt = {row.numpy().tobytes() for row in users.learnt}
    asked = [row.numpy().tobytes() for row in users.asked.inputs]
    assert len(users) == len(asked) == 179
    assert not learnt & set(asked)
    assert len(users) + len(users.learnt) == len(load("digits-mlp").test)


def test_each_asks_every_image_once_in_an_order_of_its_own(cells):
    users = BenignUsers.of(cells["usual"][0])
    first, again, second = users.user(0), BenignUsers.of(cells["noise"][0]).user(0), users.user(1)
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, second.inputs)
    assert sorted(row.sum().item() for row in first.inputs) == sorted(row.sum().item() for row in second.inputs)


def test_users_of_another_seed_are_others(cells):
    first, other = (BenignUsers.of(cell).user(0) for cell in cells["usual"][:2])
    assert not torch.equal(first.inputs, other.inputs)


def test_at_most_1_in_100_of_their_queries_is_unusual(cells):
    for cell in cells["usual"]:
        users = BenignUsers.of(cell)
        unusual = (users.asked.probabilities.amax(1) < users.least_sure).double().mean()
        assert 0 < unusual <= 0.01
