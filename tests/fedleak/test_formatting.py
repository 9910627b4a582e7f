"""Figures as words."""

import math

import pytest

from fedleak.formatting import counted, listed, measured, number, p_value, percent, setting_in_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (32.71, "32.7"),
        (0.944, "0.94"),
        (0.0061, "0.006"),
        (-1.5, "\N{MINUS SIGN}1.50"),
        (0.0, "0.00"),
        (100.0, "100.0"),
    ],
)
def test_a_figure_has_the_places_that_matter(value, text):
    assert number(value) == text


def test_what_was_not_measured_is_a_dash():
    assert {number(math.nan), measured(math.nan, "dB"), percent(math.nan), p_value(math.nan)} == {"\N{EN DASH}"}


def test_only_a_short_unit_is_repeated():
    assert measured(20.0, "dB") == "20.0 dB"
    assert measured(0.5, "similarity") == "0.50"


@pytest.mark.parametrize(("value", "text"), [(1e-9, "< 0.001"), (0.0497, "0.0497"), (0.012, "0.012"), (0.5, "0.50")])
def test_a_p_value_never_rounds_across_the_line(value, text):
    assert p_value(value) == text


def test_words_are_listed_as_people_do():
    assert (listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "or")) == ("a", "a and b", "a, b or c")
    assert (counted(1, "image"), counted(1200, "image")) == ("1 image", "1,200 images")


def test_a_setting_that_a_combination_does_not_set_is_said_to_be_none() -> None:
    setting = {"vary": "at once", "adversary.patience": "", "adversary.queries": 100}
    assert setting_in_words(setting) == "at once, patience=none, queries=100"
