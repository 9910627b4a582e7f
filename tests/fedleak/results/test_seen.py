"""What was seen in a round is read back from its column."""

from hypothesis import given
from hypothesis import strategies as st

from fedleak.results.seen import Seen, seen_in, seen_text

checks = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True)
words = st.lists(st.from_regex(r"[!-~]+", fullmatch=True), min_size=1).map(" ".join)


@given(st.lists(st.builds(Seen, checks, st.integers(1, 5000), words)))
def test_a_column_says_what_was_put_into_it(seen: list[Seen]) -> None:
    assert list(seen_in(seen_text(seen))) == seen


def test_nothing_seen_is_an_empty_column_and_other_lines_are_passed_over() -> None:
    assert seen_text([]) == ""
    assert list(seen_in("what a later version says\n\nd-snr at 1 client: one dominates")) == [
        Seen("d-snr", 1, "one dominates")
    ]
