"""Measures of hidden columns: means over rows, which agree with scikit-learn's, and members apart from others."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from fedleak.contracts.metric import metrics
from fedleak.goals.columns import ColumnMetric
from fedleak.randomness import generator


def metric(name: str) -> ColumnMetric:
    built = metrics.build(name, {})
    assert isinstance(built, ColumnMetric)
    return built


def encoded(values: torch.Tensor, width: int = 2) -> torch.Tensor:
    return 2 * torch.nn.functional.one_hot(values, width).double() - 1


def soft(shares: torch.Tensor) -> torch.Tensor:
    return 2 * torch.stack([1 - shares, shares], dim=1) - 1


@pytest.mark.parametrize("tied", [False, True])
def test_the_mean_is_the_area_that_scikit_learn_finds(tied: bool) -> None:
    for seed in range(5):
        truth = torch.randint(2, (200,), generator=generator("truth", seed))
        shares = (torch.rand(200, generator=generator("shares", seed), dtype=torch.float64) + 0.3 * truth) / 1.3
        shares = (shares * 8).round() / 8 if tied else shares
        found = metric("column-auc").per_row(soft(shares), encoded(truth)).mean()
        assert float(found) == pytest.approx(roc_auc_score(truth.numpy(), shares.numpy()))


def test_of_three_values_each_is_told_from_all_others() -> None:
    truth = torch.randint(3, (300,), generator=generator("truth"))
    guess = torch.rand(300, 3, generator=generator("guess"), dtype=torch.float64) + 0.3 * encoded(truth, 3)
    areas = [roc_auc_score((truth == value).numpy(), guess[:, value].numpy()) for value in range(3)]
    shares = (torch.bincount(truth, minlength=3) / 300).tolist()
    found = float(metric("column-auc").per_row(guess, encoded(truth, 3)).mean())
    assert found == pytest.approx(sum(area * share for area, share in zip(areas, shares, strict=True)))


def test_values_that_are_as_probable_are_guessed_as_often() -> None:
    right = metric("column-accuracy").per_row(soft(torch.tensor([0.5, 0.9, 0.1])), encoded(torch.tensor([1, 1, 1])))
    assert right.tolist() == [0.5, 1.0, 0.0]


def test_the_hundred_surest_are_judged_and_ties_share_their_places() -> None:
    shares = torch.cat([torch.full((60,), 0.99), torch.full((100,), 0.8), torch.full((40,), 0.51)]).double()
    truth = torch.cat([torch.ones(60), torch.zeros(25), torch.ones(75), torch.zeros(40)]).long()
    found = metric("ppv-100").per_row(soft(shares), encoded(truth))
    assert len(found) == 100
    assert float(found.mean()) == pytest.approx((60 + 40 * 0.75) / 100)
    assert len(metric("ppv-100").per_row(soft(shares)[:30], encoded(truth)[:30])) == 30


@pytest.mark.parametrize("name", ["column-accuracy", "column-auc", "ppv-100"])
def test_the_figure_of_others_stands_beside_and_is_no_verdict(name: str) -> None:
    own, others = metric(name), metric(f"{name}-of-others")
    assert (own.of_members, own.speaks) == (True, True)
    assert (others.of_members, others.speaks) == (False, False)
    truth, guess = encoded(torch.tensor([0, 1, 1])), soft(torch.tensor([0.2, 0.4, 0.9]))
    assert torch.equal(own.per_row(guess, truth), others.per_row(guess, truth))
