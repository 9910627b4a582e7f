"""Users who mean no harm ask what detectors have not learnt, each in an order of their own."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.evaluation.released import as_released
from fedleak.recording.files import read_recording
from fedleak.traffic.benign_users import BenignUsers


def test_they_ask_what_no_detector_learnt_from(cells, users_of):
    users = users_of(cells["usual"][0])
    learnt = {row.numpy().tobytes() for row in users.learnt}
    asked = [row.numpy().tobytes() for row in users.asked.inputs]
    assert len(users) == len(asked) == 179
    assert not learnt & set(asked)
    assert len(users) + len(users.learnt) == len(load("digits-mlp").test)


def test_each_asks_every_image_once_in_an_order_of_its_own(cells, users_of):
    users = users_of(cells["usual"][0])
    first, again, second = users.user(0), BenignUsers.of(cells["noise"][0]).user(0), users.user(1)
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, second.inputs)
    assert sorted(row.sum().item() for row in first.inputs) == sorted(row.sum().item() for row in second.inputs)


def test_users_of_another_seed_are_others(cells, users_of):
    first, other = (users_of(cell).user(0) for cell in cells["usual"][:2])
    assert not torch.equal(first.inputs, other.inputs)


def test_at_most_1_in_100_of_their_queries_is_unusual(cells, users_of):
    for cell in cells["usual"]:
        users = users_of(cell)
        unusual = (users.asked.probabilities.amax(1) < users.least_sure).double().mean()
        assert 0 < unusual <= 0.01


@pytest.mark.parametrize("queries", [0, 1, 256, 400])
def test_a_log_is_followed_in_requests_each_as_long_as_all_before(cells, users_of, queries):
    log = cells["noise"][0].log[:queries]
    requests = list(users_of(cells["noise"][0]).following(log))
    assert [len(one) for one in requests] == {0: [], 1: [1], 256: [256], 400: [256, 144]}[queries]
    for one in requests:
        before = len(one.history)
        assert torch.equal(one.history.inputs, log.inputs[:before])
        assert torch.equal(one.probabilities, log.probabilities[before : before + len(one)])
        assert one.history.admitted.all()


def test_they_ask_the_model_that_left_as_the_attack_did(cells, users_of):
    chain = Chain.build(({"use": "pruning", "share": 0.95},))
    cell = replace(cells["noise"][0], chain=chain)
    recording, users, undefended = read_recording(cell.recording), BenignUsers.of(cell), users_of(cells["noise"][0])
    left = as_released(recording.released(), recording.source, chain, recording.seed)
    expected = left.task.logits(left.weights, users.asked.inputs, mode="eval").softmax(1)
    torch.testing.assert_close(users.asked.probabilities, expected, check_dtype=False)
    assert not torch.allclose(users.asked.probabilities, undefended.asked.probabilities, atol=1e-3)
