"""What follows from a roster: both sides of a pair mask alike, and everything is bound to the model and all keys."""

from dataclasses import replace

from fedleak.secure_aggregation.graph import Degree
from fedleak.secure_aggregation.keys import KeyPair
from fedleak.secure_aggregation.messages import Advertisement, Session
from fedleak.secure_aggregation.roster import Roster

SESSION = Session(name=bytes(32), degree=Degree(2))
PAIRS = {client: KeyPair(bytes([client + 1] * 32)) for client in range(3)}
ROWS = {
    client: Advertisement(pair.public, pair.public, bytes(32), bytes(32), bytes(64)).to_bytes()
    for client, pair in PAIRS.items()
}
MODEL = bytes(32)


def test_both_of_a_pair_have_the_same_mask_and_it_cancels() -> None:
    roster = Roster(SESSION, ROWS)
    low, high = roster.pair_mask(PAIRS[0], 0, 2, MODEL), roster.pair_mask(PAIRS[2], 2, 0, MODEL)
    assert low == high.removed
    assert low.added


def test_masks_are_bound_to_model_session_roster_and_client() -> None:
    roster = Roster(SESSION, ROWS)
    others = [
        (roster, b"m" * 32),
        (Roster(replace(SESSION, name=b"n" * 32), ROWS), MODEL),
        (Roster(SESSION, {client: ROWS[client] for client in (0, 2)}), MODEL),
    ]
    for other, model in others:
        assert other.pair_mask(PAIRS[0], 0, 2, model).key != roster.pair_mask(PAIRS[0], 0, 2, MODEL).key
        assert other.own_mask(bytes(32), 0, model).key != roster.own_mask(bytes(32), 0, MODEL).key
        assert other.survivors_statement([0, 2], model) != roster.survivors_statement([0, 2], MODEL)
    assert roster.own_mask(bytes(32), 0, MODEL).key != roster.own_mask(bytes(32), 1, MODEL).key


def test_a_box_opens_for_its_receiver_alone() -> None:
    roster = Roster(SESSION, ROWS)
    box = roster.box(PAIRS[0], 0, 2, bytes(66))
    assert roster.unbox(PAIRS[2], 0, 2, box) == bytes(66)
    assert roster.box(PAIRS[2], 2, 0, bytes(66)) != box


def test_a_statement_does_not_depend_on_the_order() -> None:
    roster = Roster(SESSION, ROWS)
    assert roster.survivors_statement([2, 0], MODEL) == roster.survivors_statement((0, 2), MODEL)
