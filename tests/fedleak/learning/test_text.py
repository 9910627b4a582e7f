"""Windows of a text as an input space: coding there and back, what is the label of what, how a window is shown."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import NotApplicable
from fedleak.learning.space import require_continuous, require_text, space_from, space_of
from fedleak.learning.text import CELL, OTHER, Text

SPACE = Text(alphabet=" abcdefghijklmnopqrstuvwxyz0123456789.é" + OTHER, length=5)


@given(st.text(SPACE.alphabet))
def test_what_the_alphabet_has_comes_back(text: str) -> None:
    values = SPACE.encode(text)
    assert values.shape == (len(text),)
    assert SPACE.decode(values) == text
    assert torch.equal(SPACE.settled(values), values)


@given(st.text())
def test_any_text_is_coded_character_by_character_and_within_bounds(text: str) -> None:
    values = SPACE.encode(text)
    assert len(values) == len(text)
    assert values.abs().sum() == 0 or values.abs().max() <= 1
    assert set(SPACE.decode(values)) <= set(SPACE.alphabet)


def test_case_and_kinds_of_whitespace_are_dropped_and_strangers_are_one() -> None:
    assert SPACE.decode(SPACE.encode("Ab\tC\nÉ!ß")) == f"ab c é{OTHER}{OTHER}"


@given(st.text(SPACE.alphabet, min_size=1))
def test_each_character_is_the_label_of_those_before_it(text: str) -> None:
    batch = SPACE.windows(text)
    assert batch.inputs.shape == (len(text), 5)
    assert batch.space == SPACE
    for place, (window, label) in enumerate(zip(batch.inputs, batch.labels, strict=True)):
        assert SPACE.decode(window) == (" " * 5 + text)[place : place + 5]
        assert SPACE.classes[int(label)] == text[place]


def test_no_text_has_no_window() -> None:
    assert SPACE.windows("").inputs.shape == (0, 5)


def test_values_between_characters_are_the_nearest_and_no_number_is_a_space() -> None:
    step = 2 / (len(SPACE.alphabet) - 1)
    values = SPACE.encode("abcde") + 0.4 * step
    assert SPACE.decode(values) == "abcde"
    assert SPACE.decode(torch.tensor([float("nan"), -9.0, 9.0])) == f"  {OTHER}"


def test_a_window_is_said_and_printed() -> None:
    window = SPACE.encode("salt.")
    assert SPACE.said(window) == {"text": "salt."}
    picture = SPACE.picture(window)
    assert picture.shape == (1, CELL[1], 5 * CELL[0])
    assert picture.max() == 1
    assert picture.min() < 0.5
    assert not torch.equal(picture, SPACE.picture(SPACE.encode("malt.")))
    assert torch.equal(SPACE.picture(SPACE.encode("     ")), torch.ones_like(picture))


def test_the_space_comes_back_from_plain_values() -> None:
    assert space_from(SPACE.facts()) == SPACE
    assert SPACE.words == "windows of 5 characters"


def test_what_is_for_other_examples_refuses_in_a_sentence() -> None:
    assert require_text(SPACE, "a test") is SPACE
    with pytest.raises(NotApplicable, match="a test is for texts, and the examples are 1x2x2 images"):
        require_text(space_of((1, 2, 2)), "a test")
    with pytest.raises(NotApplicable, match=r"little by little, and these are windows of 5 characters$"):
        require_continuous(SPACE, "a test")
    require_continuous(space_of((1, 2, 2)), "a test")
