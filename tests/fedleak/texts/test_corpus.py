"""Corpora: stretches cover a text once, each part has its share, and what is too short or too long is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import DataError
from fedleak.learning.source import Part
from fedleak.texts import corpus
from fedleak.texts.corpus import Corpus


@pytest.mark.slow
@given(st.text("ab ", min_size=30, max_size=20_000).filter(lambda text: len(" ".join(text.split())) >= 20))
def test_stretches_are_the_text(text: str) -> None:
    found = Corpus.of("a test", text, 3)
    assert "".join(piece for _, piece in found.stretches()) == " ".join(text.split())
    held = {part: sum(map(len, found.held_by(part))) for part in Part}
    assert held[Part.CLIENTS] == pytest.approx(0.6 * len(found.text), abs=60)
    assert held[Part.TEST] == pytest.approx(0.2 * len(found.text), abs=20)
    assert all(count > 3 for count in held.values())


def test_a_long_text_is_cut_into_several_turns_and_a_short_one_into_one() -> None:
    assert len(list(Corpus.of("a test", "ab " * 30, 3).stretches())) == 5
    assert len(list(Corpus.of("a test", "ab " * 4_000, 3).stretches())) == 10


def test_a_text_that_is_too_short_or_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"a test: expected a text of 85 characters or more, .* 16, got 0; give a long"):
        Corpus.of("a test", " \n\t ", 16)
    monkeypatch.setattr(corpus, "MOST", 100)
    with pytest.raises(DataError, match=r"a test: expected a text of at most 100 characters, got 299; give a part"):
        Corpus.of("a test", "ab " * 100, 16)
