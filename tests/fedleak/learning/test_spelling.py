"""Spelling: the tree gives each candidate what spelling it out alone gives, beams and budgets leave out the rest."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from fedleak.learning.secret_format import SecretFormat
from fedleak.learning.spelling import spelled, windows_asked
from fedleak.learning.text import OTHER, Text
from fedleak.randomness import generator

SPACE = Text(alphabet=" abcdefghijklmnopqrstuvwxyz0123456789!" + OTHER, length=8)
FORMAT = SecretFormat.of("my pin is {digits}!a", 3)
TABLE = torch.randn(SPACE.length, 2, len(SPACE.alphabet), generator=generator("spelling"))


class Counting:
    """A model of its own making that counts what it is asked, and answers no more than so many."""

    def __init__(self, most: float = math.inf) -> None:
        self.asked, self.most = 0, most

    def __call__(self, windows: Tensor) -> Tensor:
        assert windows.shape[1:] == SPACE.shape
        logits = torch.einsum("wl,lc->wc", windows.sin() * 3, TABLE[:, 0]) + torch.einsum(
            "wl,lc->wc", (5 * windows).cos(), TABLE[:, 1]
        )
        said = logits.double().log_softmax(1)
        left = max(self.most - self.asked, 0)
        self.asked += len(windows)
        if left < len(windows):
            said[int(left) :] = torch.nan
        return said


def alone(text: str, first: int) -> float:
    """The log-probability of the end of a text, one character after the other."""
    total = 0.0
    for place in range(first, len(text)):
        window = SPACE.encode((" " * SPACE.length + text[:place])[-SPACE.length :])
        total += float(Counting()(window[None])[0, SPACE.alphabet.index(text[place])])
    return total


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("known", ["???", "?7?", "31?", "?20"])
def test_each_candidate_has_what_it_has_when_it_is_spelled_alone(known: str, whole: bool) -> None:
    format, model = SecretFormat(FORMAT.before, FORMAT.after, known), Counting()
    scores = spelled(model, SPACE, format, whole=whole)
    assert model.asked == windows_asked(format, whole=whole)
    for place in range(0, format.candidates, 1 + format.candidates // 7):
        text = format.typed(format.candidate(place))
        end = text if whole else text.removesuffix(format.after)
        assert float(scores[place]) == pytest.approx(alone(end, len(format.before)), abs=1e-5)


def test_four_digits_take_as_many_windows_as_there_are_beginnings() -> None:
    assert windows_asked(SecretFormat.of("pin {digits}", 4)) == 1111
    assert windows_asked(SecretFormat.of("pin {digits}", 4), width=10) == 31


@pytest.mark.parametrize("whole", [False, True])
def test_a_beam_that_is_wide_enough_is_the_whole_ranking(whole: bool) -> None:
    every = spelled(Counting(), SPACE, FORMAT, whole=whole)
    assert torch.equal(spelled(Counting(), SPACE, FORMAT, width=1000, whole=whole), every)


def test_a_narrow_beam_ranks_what_it_reaches_as_the_whole_does() -> None:
    every, model = spelled(Counting(), SPACE, FORMAT), Counting()
    some = spelled(model, SPACE, FORMAT, width=5)
    reached = some.isfinite()
    assert model.asked == windows_asked(FORMAT, width=5) == 11
    assert int(reached.sum()) == 5
    assert torch.equal(some[reached], every[reached])
    greedy = spelled(Counting(), SPACE, FORMAT, width=1)
    best = ""
    for _ in range(3):
        best += max("0123456789", key=lambda one: alone(FORMAT.before + best + one, len(FORMAT.before + best)))
    assert FORMAT.candidate(int(greedy.nan_to_num(-torch.inf).argmax())) == best


def test_where_questions_run_out_the_likeliest_beginnings_were_asked_about() -> None:
    every, few = (spelled(Counting(most), SPACE, FORMAT) for most in (math.inf, 1 + 10 + 20))
    beginnings = spelled(Counting(), SPACE, SecretFormat.of("my pin is {digits}", 2))
    asked = set(beginnings.argsort(descending=True)[:20].tolist())
    for first, last in itertools.product(range(100), (0, 9)):
        place = 10 * first + last
        known = math.isclose(float(few[place]), float(every[place]), abs_tol=1e-9)
        assert known == (first in asked)
    assert few.isfinite().all()


def test_without_any_answer_all_candidates_are_alike() -> None:
    assert len(spelled(Counting(0), SPACE, FORMAT, whole=True).unique()) == 1
