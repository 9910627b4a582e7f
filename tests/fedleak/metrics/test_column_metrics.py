"""Measures of hidden columns: means over rows, which agree with scikit-learn's, and members apart from others."""

import pytest
import torch
from sklearn.metrics import mean_absolute_error, roc_auc_score

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.data.splits import load
from fedleak.goals.answer import Answer, Challenge
from fedleak.goals.columns import ColumnMetric
from fedleak.goals.goals import GOALS
from fedleak.learning.space import require_table
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


def test_an_error_is_in_standard_deviations_of_public_rows() -> None:
    splits = load("diabetes-mlp")
    table = require_table(splits.auxiliary.space, "a test")
    place = table.places("age")
    public, true = splits.auxiliary.inputs[:, place].double(), splits.clients.inputs[:, place].double()
    column = table.column("age")
    years = [one * (column.high - column.low) / 2 for one in (public, true)]
    guess = torch.full_like(true, float(public.mean()))
    expected = mean_absolute_error(years[1], years[0].mean().expand_as(years[1])) / float(years[0].std(correction=0))
    assert float(metric("column-error").per_row(guess, true).mean()) == pytest.approx(expected, rel=1e-5)
    assert metric("column-error").per_row(true, true).abs().max() == 0
    assert metric("column-error").applies_to(column)
    assert not metric("column-error").applies_to(table.column("sex"))


def test_members_and_others_swapped_swap_the_figures() -> None:
    rows = load("diabetes-mlp").clients[torch.arange(90)]
    rng, members, others = generator("swapped"), torch.arange(30), torch.arange(30, 90)
    for name in sorted(cls.name for cls in metrics if issubclass(cls, ColumnMetric) and cls.of_members):
        hidden = ("sex",) if metric(name).applies_to(rows.space.column("sex")) else ("age",)
        guess = Reconstruction(columns=2 * torch.rand(90, int(rows.space.mask(hidden).sum()), generator=rng) - 1)
        one, other = (
            Answer(
                truth=rows,
                hidden=hidden,
                challenge=Challenge(
                    candidates=rows, members=own, non_members=left, other_clients=torch.zeros(0, dtype=torch.int64)
                ),
            )
            for own, left in ((members, others), (others, members))
        )
        beside = metric(f"{name}-of-others")
        assert GOALS["columns"].measure(metric(name), guess, one) == GOALS["columns"].measure(beside, guess, other)
        assert GOALS["columns"].measure(metric(name), guess, other) == GOALS["columns"].measure(beside, guess, one)
        assert GOALS["columns"].measure(metric(name), guess, one) != GOALS["columns"].measure(beside, guess, one)
