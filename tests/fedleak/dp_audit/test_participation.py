import numpy as np
import pytest

from fedleak.dp_audit.normal_scores import estimated_mu
from fedleak.dp_audit.participation import filtered

CLIENTS, SLOTS, ROUNDS = 200, 10, 10


def said(taking_part, noise=1.0):
    """Scores of canaries that contribute 1 where they take part."""
    rng = np.random.default_rng(1)
    there = np.array([[[taking_part(rng, slot, round) for round in range(ROUNDS)] for slot in range(SLOTS)]] * CLIENTS)
    return there + noise * rng.normal(size=there.shape)


def test_rounds_that_are_known_are_read_alone():
    cyclic = said(lambda rng, slot, round: slot == round)
    assert estimated_mu(filtered(cyclic), 0.95).value == pytest.approx(2.0, rel=0.1)


def test_one_slot_that_is_always_in_stands_out():
    fixed = said(lambda rng, slot, round: slot == 0)
    assert estimated_mu(filtered(fixed), 0.95).value == pytest.approx(2 * ROUNDS**0.5, rel=0.1)


def test_secret_samples_show_no_more_than_their_mean():
    rng = np.random.default_rng(2)
    there = rng.random((CLIENTS, SLOTS, ROUNDS)) < 0.1
    found = filtered(there + rng.normal(size=there.shape))
    assert estimated_mu(found, 0.95).value < 2 * 0.1 * ROUNDS**0.5 * 1.3
