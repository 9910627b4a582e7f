"""Query outliers: the share of false alarms is kept, what is far off is refused, and benign inputs are needed."""

import pytest
import torch

from fedleak.contracts.traffic import Asked, Traffic
from fedleak.data.splits import load
from fedleak.defenses.query_outliers import QueryOutliers
from fedleak.errors import ConfigError
from fedleak.randomness import generator


@pytest.fixture(scope="module")
def digits():
    return load("digits-mlp").test.inputs


def request(inputs, benign):
    said = torch.full((len(inputs), 10), 0.1)
    nothing = Traffic(inputs=inputs[:0], probabilities=said[:0], admitted=torch.ones(0, dtype=torch.bool))
    return Asked(inputs=inputs, probabilities=said, history=nothing, benign=benign)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.1])
def test_of_usual_queries_about_the_share_is_refused(digits, share):
    benign, others = digits[::2], digits[1::2]
    admitted = QueryOutliers(false_alarms=share).admits(request(others, benign))
    assert (~admitted).float().mean() < 3 * share
    assert QueryOutliers(false_alarms=share).admits(request(benign[1::2], benign)).float().mean() >= 1 - share


@pytest.mark.slow
def test_what_looks_like_nothing_usual_is_refused(digits):
    noise = torch.rand(50, *digits.shape[1:], generator=generator("noise"))
    detector = QueryOutliers()
    admitted = detector.admits(request(noise, digits))
    assert (~admitted).float().mean() > 0.9
    assert detector.score(request(noise, digits)).min() > detector.score(request(digits, digits)).median()


@pytest.mark.slow
def test_another_service_s_benign_queries_are_learnt_anew(digits):
    asked = request(digits[:5], digits)
    other = Asked(inputs=asked.inputs, probabilities=asked.probabilities, history=asked.history, benign=1 - digits)
    QueryOutliers().score(asked)
    assert torch.equal(QueryOutliers().score(other), QueryOutliers().score(request(digits[:5], 1 - digits)))


def test_without_benign_queries_there_is_nothing_to_learn(digits):
    with pytest.raises(ConfigError, match=r"needs 4 or more of them, got 3; give the service benign inputs"):
        QueryOutliers().admits(request(digits[:5], digits[:3]))
