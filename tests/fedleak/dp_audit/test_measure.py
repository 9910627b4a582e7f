import numpy as np
import pytest

from fedleak.dp_audit.measure import guesses_of


def test_the_tenth_that_is_surest_is_guessed():
    scores = np.array([*np.linspace(0.1, 1, 90), *[-5.0] * 2, *[4.0] * 8])
    found = guesses_of(scores)
    assert (found.canaries, found.guesses, found.correct) == (100, 10, 8)


def test_one_score_is_guessed_too():
    found = guesses_of(np.array([0.5]))
    assert (found.canaries, found.guesses, found.correct) == (1, 1, 1)
    assert pytest.approx(1.0) == found.correct / found.guesses
