"""Secrets: ranks with candidates that are alike, what guessing has in closed form, and who is judged at all."""

import math
from dataclasses import replace

import pytest
import torch

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.view import View
from fedleak.evaluation.scoring import score
from fedleak.goals.answer import Answer
from fedleak.goals.secrets import Rank, Secrets, rank_of
from fedleak.learning.batch import Batch
from fedleak.learning.secret_format import SecretFormat
from fedleak.learning.text import OTHER, Text
from fedleak.randomness import generator
from fedleak.tasks import task_of

GOAL = Secrets()
EXPOSURE, EXACT = (metrics.build(name, {}) for name in ("exposure", "exact-secret"))
SPACE = Text(alphabet=f" abcdefghijklmnopqrstuvwxyz0123456789{OTHER}", length=8)
FORMAT = SecretFormat.of("my pin is {digits}", 4)
ANSWER = Answer(truth=SPACE.windows("my pin is 0412"), format=FORMAT, secret="0412")


def test_a_rank_counts_those_ahead_and_those_alike() -> None:
    scores = torch.tensor([3.0, 1.0, math.nan, 2.0, 2.0])
    assert rank_of(scores, 0) == Rank(ahead=0, alike=0, candidates=5)
    assert rank_of(scores, 3) == Rank(ahead=1, alike=1, candidates=5)
    assert rank_of(scores, 2) == Rank(ahead=4, alike=0, candidates=5)


@pytest.mark.parametrize("metric", [EXPOSURE, EXACT])
def test_candidates_that_are_alike_have_what_they_have_in_the_mean_over_their_orders(metric) -> None:
    scores = torch.tensor([3.0, 2.0, 2.0, 2.0, 1.0, 1.0])
    drawn = []
    for seed in range(2000):
        order = scores + 0.5 * torch.rand(len(scores), generator=generator("ties", seed))
        drawn.append(metric.of_rank(rank_of(order, 2)))
    assert metric.of_rank(rank_of(scores, 2)) == pytest.approx(sum(drawn) / len(drawn), abs=0.03)


def test_exposure_goes_from_all_bits_to_none() -> None:
    assert EXPOSURE.of_rank(Rank(ahead=0, alike=0, candidates=10_000)) == math.log2(10_000)
    assert EXPOSURE.of_rank(Rank(ahead=9_999, alike=0, candidates=10_000)) == 0.0
    assert EXPOSURE.of_rank(Rank(ahead=0, alike=0, candidates=10**6)) == pytest.approx(EXPOSURE.bounds[1])
    assert EXPOSURE.of_rank(Rank(ahead=1, alike=0, candidates=16)) == 3.0


@pytest.mark.parametrize("digits", range(1, 7))
def test_what_guessing_has_tells_how_many_bits_there_are(digits: int) -> None:
    size = 10**digits
    blind = EXPOSURE.of_rank(Rank(ahead=0, alike=size - 1, candidates=size))
    assert EXPOSURE.bounds_beside(blind) == (0.0, pytest.approx(math.log2(size)))
    assert EXPOSURE.bounds_beside(math.nan) == (0.0, pytest.approx(EXPOSURE.bounds[1]))


def test_guessing_has_a_closed_form() -> None:
    """The mean of `log2 N - log2 k` over all ranks k is `log2 N - log2(N!) / N`, 1.44 for many candidates."""
    blind = GOAL.measure(EXPOSURE, Reconstruction(secrets=torch.zeros(10_000)), ANSWER)
    exact = math.log2(10_000) - math.lgamma(10_001) / math.log(2) / 10_000
    assert blind.mean == pytest.approx(exact, abs=1e-9)
    assert blind.mean == pytest.approx(1.44, abs=0.005)
    assert GOAL.measure(EXACT, Reconstruction(secrets=torch.zeros(10_000)), ANSWER).mean == 1e-4


def test_the_mean_over_all_secrets_is_guessing_whatever_the_ranking() -> None:
    scores, total = torch.rand(1000, generator=generator("ranking")), 0.0
    for place in range(1000):
        total += EXPOSURE.of_rank(rank_of(scores, place))
    assert total / 1000 == pytest.approx(EXPOSURE.of_rank(Rank(ahead=0, alike=999, candidates=1000)))


def test_of_masked_digits_the_others_are_known() -> None:
    masked = replace(ANSWER, format=FORMAT.masking("0412", (2,)))
    scores = torch.zeros(10)
    scores[1] = 1.0  # 0?: 04[1]2
    assert GOAL.measure(EXPOSURE, Reconstruction(secrets=scores), masked).mean == pytest.approx(math.log2(10))
    assert GOAL.measure(EXACT, Reconstruction(secrets=scores), masked).mean == 1.0


def test_a_guess_of_something_else_has_a_reason() -> None:
    unasked = Answer(truth=ANSWER.truth)
    assert not GOAL.measure(EXPOSURE, Reconstruction(secrets=torch.zeros(10_000)), unasked).fits
    short = GOAL.measure(EXPOSURE, Reconstruction(secrets=torch.zeros(10)), ANSWER)
    assert short.reason == "the attack ranks 10 secrets of 10000"
    assert not GOAL.measure(EXPOSURE, Reconstruction(labels=torch.zeros(1, dtype=torch.int64)), ANSWER).fits
    with pytest.raises(TypeError, match="of no known kind"):
        GOAL.figures(metrics.build("ssim", {}), torch.zeros(10_000), ANSWER)
    assert isinstance(ANSWER.truth, Batch)


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5])
def test_the_first_guess_is_found_however_short_the_secret(digits: int) -> None:
    format = SecretFormat.of("my pin is {digits}", digits)
    view = View(task=task_of("pydoc-gru"), secret=format)
    first, alike = torch.zeros(format.candidates), torch.zeros(format.candidates)
    first[7] = 1.0
    guess, prior = Reconstruction(secrets=first), Reconstruction(secrets=alike)
    (found,) = score(guess, ANSWER.truth, (EXPOSURE,), prior, view=view, secret=f"{7:0{digits}}")
    assert found.value == pytest.approx(math.log2(10**digits))
    assert found.threshold == min(found.value, 10.0)
