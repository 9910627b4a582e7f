"""Laws of messages: what is written is read, nothing is empty, and what is none is refused with its sender."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import FederationError
from fedleak.secure_aggregation import messages
from fedleak.secure_aggregation.graph import Degree
from fedleak.secure_aggregation.messages import Advertisement, Layout, Session, listed

SESSION = Session(name=bytes(32), degree=Degree(2))
LAYOUTS = [one for one in vars(messages).values() if isinstance(one, Layout)]
layouts = st.sampled_from(LAYOUTS)


@given(layouts, st.sets(st.integers(0, 2**32 - 1), max_size=5))
def test_a_table_comes_back_and_even_an_empty_one_has_bytes(layout: Layout, clients: set[int]) -> None:
    table = {client: bytes([client % 256]) * layout.row for client in clients}
    message = layout.to_bytes(SESSION, table)
    assert message
    assert layout.from_bytes(SESSION, message, "somebody") == table


@given(layouts, st.data())
def test_a_changed_message_is_refused_or_another_table(layout: Layout, data: st.DataObject) -> None:
    message = layout.to_bytes(SESSION, {1: bytes(layout.row), 4: bytes(layout.row)})
    place, value = data.draw(st.integers(0, len(message) - 1)), data.draw(st.integers(1, 255))
    changed = message[:place] + bytes([message[place] ^ value]) + message[place + 1 :]
    for one in (changed, message[:place], message + b"x", message * 2):
        try:
            assert layout.to_bytes(SESSION, layout.from_bytes(SESSION, one, "somebody")) == one
        except FederationError as error:
            assert str(error).startswith(f"secure-aggregation: somebody must send {layout.what}")  # noqa: PT017


@given(layouts, st.sampled_from([None, 7, "text", [1], {}, bytearray(40)]) | st.binary(max_size=60))
def test_what_is_no_message_is_refused(layout: Layout, message: object) -> None:
    with pytest.raises(FederationError, match="somebody must send"):
        layout.from_bytes(SESSION, message, "somebody")


def test_clients_twice_or_out_of_order_are_refused() -> None:
    header = messages.SURVIVORS.to_bytes(SESSION, {})[:-4]
    for clients in ([1, 1], [2, 1]):
        rows = b"".join(client.to_bytes(4, "big") for client in clients)
        with pytest.raises(FederationError, match="a client twice or out of order"):
            messages.SURVIVORS.from_bytes(SESSION, header + (2).to_bytes(4, "big") + rows, "the server")


def test_a_message_of_another_kind_or_session_is_refused() -> None:
    message = messages.ROSTER.to_bytes(SESSION, {})
    with pytest.raises(FederationError, match="the server must send the list of survivors, and sent another message"):
        messages.SURVIVORS.from_bytes(SESSION, message, "the server")
    others = [
        Session(name=bytes(31) + b"x", degree=Degree(2)),
        Session(name=bytes(32), degree=Degree(3)),
        Session(name=bytes(32), degree=Degree(2), ring_bits=32),
        Session(name=bytes(32), degree=Degree(2), cipher="chacha20"),
        Session(name=bytes(32), degree=Degree(2), smallest_cohort=3),
    ]
    for other in others:
        with pytest.raises(FederationError, match="sent one of another session"):
            messages.ROSTER.from_bytes(other, message, "the server")


def test_a_message_about_others_than_its_sender_is_refused() -> None:
    row = bytes(messages.CONFIRMATION.row)
    for table in ({}, {2: row}, {1: row, 2: row}):
        with pytest.raises(FederationError, match=r"client 1 must send its signature .* and sent one about"):
            messages.CONFIRMATION.of_client(SESSION, messages.CONFIRMATION.to_bytes(SESSION, table), 1)


def test_an_advertisement_comes_back() -> None:
    parts = [bytes([number]) * 32 for number in range(4)]
    one = Advertisement(*parts, b"s" * 64)
    assert Advertisement.from_bytes(one.to_bytes()) == one
    assert len(one.to_bytes()) == messages.ADVERTISEMENT.row


@pytest.mark.parametrize("wrong", [{"name": b"short"}, {"ring_bits": 16}, {"cipher": "rot13"}])
def test_a_session_that_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(FederationError, match="a session has a name of 32 bytes, a ring of 64 or 32 bits"):
        Session(**{"name": bytes(32), "degree": Degree(2), **wrong})


def test_clients_are_listed_in_words() -> None:
    assert [listed(range(count)) for count in (0, 1, 2)] == ["nobody", "client 0", "clients 0 and 1"]
    assert listed(range(9)) == "clients 0, 1, 2, 3, 4 and 4 more"
