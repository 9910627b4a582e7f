import numpy as np
import pytest

from fedleak.dp_audit.measure import errors_of, guesses_of


def test_the_tenth_that_is_surest_is_guessed():
    scores = np.array([*np.linspace(0.1, 1, 90), *[-5.0] * 2, *[4.0] * 8])
    found = guesses_of(scores)
    assert (found.canaries, found.guesses, found.correct) == (100, 10, 8)


def test_one_score_is_guessed_too():
    found = guesses_of(np.array([0.5]))
    assert (found.canaries, found.guesses, found.correct) == (1, 1, 1)
    assert pytest.approx(1.0) == found.correct / found.guesses


def test_a_score_above_zero_is_taken_for_a_canary_of_sign_one():
    signs = np.array([1.0, 1.0, 1.0, -1.0, -1.0])
    found = errors_of(np.array([2.0, 0.5, -1.0, 3.0, -2.0]), signs)
    assert (found.hits, found.positives, found.false_alarms, found.negatives) == (2, 3, 1, 2)
