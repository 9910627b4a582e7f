"""Options of a foreign class are checked against its constructor, one sentence for each mistake."""

import pytest

from fedleak.contracts.foreign import arguments_for, built
from fedleak.errors import ConfigError


class Foreign:
    """Of another library."""

    def __init__(self, size: int, rate: float = 1.0, seed: int | None = 42) -> None:
        if size == 0:
            raise ValueError("size must not be 0.")
        self.found = (size, rate, seed)


def make(**options):
    return built(Foreign, arguments_for(Foreign, options, {"seed": 7, "clients": 3}, "place"), "place").found


def test_ours_are_given_where_there_is_such_a_parameter_and_a_file_has_the_last_word():
    assert make(size=2) == (2, 1.0, 7)
    assert make(size=2, rate=0.5, seed=1) == (2, 0.5, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sise": 2}, "place.sise: unknown option of Foreign; did you mean 'size'?"),
        ({"size": "two"}, "place.size: expected a valid integer, got 'two'"),
        ({}, "place: Foreign needs size"),
        ({"size": 0}, "place: Foreign refuses its options: size must not be 0."),
    ],
)
def test_a_mistake_is_one_sentence(options, sentence):
    with pytest.raises(ConfigError) as caught:
        make(**options)
    assert str(caught.value) == sentence
