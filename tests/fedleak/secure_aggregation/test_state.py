"""A client's state as bytes: it comes back, what is none is refused, and its picture shows no secret."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedleak.errors import FederationError
from fedleak.secure_aggregation.state import State

KEY = st.binary(min_size=32, max_size=32)
tables = st.dictionaries(st.integers(0, 2**32 - 1), st.binary(max_size=9), max_size=4)
answered = st.lists(st.tuples(st.sampled_from(["advertise", "share"]), KEY, st.binary(max_size=9)), max_size=3)


@settings(max_examples=30)
@given(st.lists(KEY, min_size=4, max_size=4), tables, tables, st.lists(st.integers(0, 99), max_size=5), answered)
def test_it_comes_back(secrets: list, roster: dict, shares: dict, survivors: list, answered: list) -> None:
    state = State(*secrets, roster, shares, b"model", tuple(survivors), tuple(answered))
    assert State.from_bytes(state.to_bytes()) == state


@given(st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b"null", b'{"secrets": ["00"]}', b'{"secrets": 3}']))
def test_what_is_none_is_refused(stored: bytes) -> None:
    with pytest.raises(FederationError, match="goes on from the state that it kept, and what is stored is none"):
        State.from_bytes(stored)


def test_its_picture_shows_no_secret() -> None:
    state = State(b"encryption", b"mask", b"own", b"identity", shares={1: b"a share"})
    assert not [word for word in ("encryption", "mask", "own", "identity", "share") if f"b'{word}" in repr(state)]
    assert "a share" not in repr(state)


def test_stages_come_in_order() -> None:
    state = State(*[bytes(32)] * 4, answered=(("advertise", b"content", b"answer"),))
    assert state.answer("advertise", b"content", 3) == b"answer"
    assert state.answer("share", b"content", 3) is None
    with pytest.raises(FederationError, match="client 3 must be asked for 'share' next, and was asked for 'unmask'"):
        state.answer("unmask", b"content", 3)
    with pytest.raises(FederationError, match="client 3 has answered 'advertise' and answers again for the same"):
        state.answer("advertise", b"another", 3)
