"""Rarity of a model among usual ones."""

from math import nan

import numpy as np
import pytest

from fedleak.analysis.rarity import rarity

USUAL = {"change": np.array([1.0, 2.0, 3.0, 4.0]), "alike": np.array([0.0, 0.0, 0.0, nan])}


def test_it_is_the_share_of_usual_models_below_by_the_rarest_figure() -> None:
    table = {"change": np.array([0.5, 2.5, 4.0]), "alike": np.array([nan, nan, nan])}
    assert rarity(table, USUAL) == pytest.approx([0.0, 0.5, 0.75])


def test_beyond_all_usual_models_it_goes_on_rising() -> None:
    scores = rarity({"change": np.array([4.1, 9.0, 1e9])}, {"change": USUAL["change"]})
    assert (np.diff([1.0, *scores]) > 0).all()


def test_a_figure_that_a_model_or_all_usual_ones_lack_says_nothing() -> None:
    assert rarity({"change": np.array([nan])}, {"change": USUAL["change"]}) == [0.0]
    assert rarity({"new": np.array([5.0])}, {"new": np.array([nan])}) == [0.0]
