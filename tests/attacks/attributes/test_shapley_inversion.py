"""Shapley inversion: the imputer where nothing is explained, and more than it where explanations are told."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError
from fedleak.evaluation.views import without
from fedleak.goals.goals import GOALS
from fedleak.learning.shapley import explained
from fedleak.metrics.column_auc import ColumnAUC
from fedleak.randomness import generator


def guess(view) -> torch.Tensor:
    made = attacks.build("shapley-inversion", {}).run(view, generator(0))
    assert made.columns is not None, made.failure
    return made.columns


def auc(made: torch.Tensor, rows) -> float:
    return float(ColumnAUC().per_row(made, rows.inputs[:, rows.space.mask(["sex"])]).mean())


def test_with_the_channel_cut_it_says_what_an_imputer_says(hiding) -> None:
    asked, _ = hiding
    for view in (asked(queries=0), asked(queries=2000, explaining=lambda found: torch.full_like(found, torch.nan))):
        assert torch.equal(guess(view), GOALS["columns"].no_access(view, generator(0)))


@pytest.mark.slow
def test_explanations_of_somebody_else_tell_nothing(hiding) -> None:
    asked, rows = hiding
    imputer, found = auc(GOALS["columns"].no_access(asked(), generator(0)), rows), []
    for seed in range(4):

        def shuffled(values: torch.Tensor, seed: int = seed) -> torch.Tensor:
            return values[torch.randperm(len(values), generator=generator("shuffled", seed, len(values)))]

        found.append(auc(guess(asked(queries=2000, explaining=shuffled)), rows))
    assert sum(found) / 4 < imputer + 0.03


def test_who_may_ask_enough_finds_the_value_that_was_explained(hiding) -> None:
    asked, rows = hiding
    assert auc(guess(asked(queries=6000)), rows) > 0.99


def test_of_a_plain_rule_explanations_are_read_after_those_of_public_rows_alone(hiding) -> None:
    asked, rows = hiding
    view = asked(queries=980)
    slopes = torch.randn(rows.inputs.shape[1], generator=generator("slopes"))

    def plain(inputs: torch.Tensor) -> torch.Tensor:
        share = torch.sigmoid(inputs @ slopes / 4)
        return torch.stack([share, 1 - share], dim=1)

    view.service.probabilities = plain
    issued = explained(plain, rows.inputs, view.service.background, rows.space).float()
    made = attacks.build("shapley-inversion", {"learning": 1.0}).run(replace(view, explanations=issued), generator(0))
    assert view.service.remaining == 980 - 88 * 11  # too few for a completion
    assert auc(made.columns, rows) > 0.95


def test_a_number_is_guessed_too(hiding) -> None:
    asked, rows = hiding
    view = asked(queries=2000, hidden=("age",), rows=without(rows, ("age",)))
    assert guess(view).shape == (120, 1)


def test_without_explanations_it_says_so(hiding) -> None:
    made = attacks.build("shapley-inversion", {}).run(hiding[0](rows=None, hidden=()), generator(0))
    assert "say by adversary.hidden which" in (made.failure or "")


def test_a_share_beyond_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected learning from 0 to 1, a share of the questions, got 2"):
        attacks.build("shapley-inversion", {"learning": 2.0})


@pytest.mark.parametrize("queries", [0, 50, 200])
def test_it_asks_for_no_more_than_its_budget(hiding, queries: int) -> None:
    view = hiding[0](queries=queries)
    guess(view)
    assert 0 <= view.service.remaining <= queries
