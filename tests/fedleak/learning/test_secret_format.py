"""Secret formats: every candidate has a place of its own, and what is known stays so."""

import pytest

from fedleak.learning.secret_format import SecretFormat

WRITTEN = "my pin is {digits}, ok"


def test_a_format_is_written_with_a_blank() -> None:
    format = SecretFormat.of(WRITTEN, 4)
    assert (format.before, format.after, format.digits) == ("my pin is ", ", ok", 4)
    assert format.typed("0412") == "my pin is 0412, ok"
    assert format.words == "my pin is ????, ok"


@pytest.mark.parametrize("masked", [(), (2,), (0, 3), (1, 2, 3)])
def test_every_candidate_has_a_place_and_the_secret_is_one_of_them(masked: tuple[int, ...]) -> None:
    format = SecretFormat.of(WRITTEN, 4).masking("0412", masked)
    every = [format.candidate(place) for place in range(format.candidates)]
    assert format.candidates == 10 ** len(masked or (0, 1, 2, 3))
    assert every == sorted(set(every))
    assert [format.place(one) for one in every] == list(range(format.candidates))
    assert every[format.place("0412")] == "0412"
    kept = set(range(4)) - set(masked) if masked else set()
    assert all(one[place] == "0412"[place] for one in every for place in kept)
