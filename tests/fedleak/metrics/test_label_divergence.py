"""Label divergence is Kullback's and Leibler's but for the truth's thousandth that is mixed in."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.evaluation.scoring import score
from fedleak.learning.batch import Batch

METRIC = metrics.build("label-divergence", {})
COUNTS = st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any)


def truth(*labels: int) -> Batch:
    return Batch(torch.zeros(len(labels), 1, 1, 1), torch.tensor(labels))


def of(guess: Reconstruction, *labels: int):
    return score(guess, truth(*labels), (METRIC,), guess)[0]


def said(*shares: float) -> Reconstruction:
    return Reconstruction(labels=torch.tensor([0]), label_distribution=torch.tensor(shares))


@given(COUNTS, COUNTS)
def test_it_is_scipy_s_of_the_mixture(guess: list[int], true: list[int]) -> None:
    q, p = (torch.tensor(counts).double() / sum(counts) for counts in (guess, true))
    assert METRIC.of_message(q, p) == pytest.approx(entropy(p, 0.999 * q + 0.001 * p), abs=1e-9)
    assert 0 <= METRIC.of_message(q, p) <= METRIC.bounds[1]
    assert METRIC.of_message(p, p) == 0


def test_of_one_example_it_is_how_surprising_its_label_was() -> None:
    uniform = [0.1] * 10
    assert of(said(*uniform), 3).value == pytest.approx(-math.log(0.999 / 10 + 0.001))
    assert of(said(0.0, 1.0), 0).value == pytest.approx(-math.log(0.001))
    assert of(said(1.0, 0.0), 0).value == 0.0


def test_all_examples_have_the_figure_of_their_message() -> None:
    scored = of(said(0.5, 0.5, 0.0), 0, 0, 1, 2)
    assert len(scored.per_sample) == 4
    assert len(set(scored.per_sample)) == 1


def test_labels_without_probabilities_count_as_often_as_they_are_guessed() -> None:
    labels = Reconstruction(labels=torch.tensor([0, 0, 1]))
    assert of(labels, 0, 0, 1).value == 0.0
    assert of(labels, 0, 1, 1).value == of(said(2 / 3, 1 / 3), 0, 1, 1).value > 0
    assert of(labels, 0, 7, 1).value > 2, "a label that was never guessed"


@pytest.mark.parametrize("wrong", [(math.nan, 1.0), (-0.5, 1.5), (0.0, 0.0)])
def test_what_is_no_distribution_has_no_figure(wrong: tuple[float, ...]) -> None:
    scored = of(said(*wrong), 0)
    assert math.isnan(scored.value)
    assert scored.reason == "the attack guesses no distribution of labels: expected shares of 0 or more"


def test_sets_of_labels_have_no_distribution() -> None:
    sets = Batch(torch.zeros(1, 1, 1, 1), torch.tensor([[1, 0, 1]]))
    scored = score(Reconstruction(labels=sets.labels), sets, (METRIC,), Reconstruction(labels=sets.labels))[0]
    assert not scored.applicable
    assert "a distribution is of one each" in scored.reason
