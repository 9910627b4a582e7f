"""Laws of keys: what two sides derive is the same, what differs in anything is other, and what is forged is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import FederationError
from fedleak.secure_aggregation import keys
from fedleak.secure_aggregation.keys import KeyPair, Seeded, pair_key

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
LOW_ORDER = [
    (0).to_bytes(32, "little"),
    (1).to_bytes(32, "little"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]
"""The points of order 1, 2, 4 and 8 of Curve25519, on the curve and its twist: https://cr.yp.to/ecdh.html#validate."""


def test_both_sides_derive_the_same_key_and_every_word_makes_another() -> None:
    one, two = KeyPair(KEY), KeyPair(OTHER)
    assert pair_key(one, 3, 5, two.public, "p", b"c") == pair_key(two, 5, 3, one.public, "p", b"c")
    variants = [(3, 5, "p", b"c"), (5, 3, "p", b"c"), (3, 6, "p", b"c"), (3, 5, "q", b"c"), (3, 5, "p", b"d")]
    found = {pair_key(one, own, other, two.public, purpose, context) for own, other, purpose, context in variants}
    assert len(found) == len(variants)


def test_parts_do_not_run_into_each_other() -> None:
    splits = [("ab", b"", b"c"), ("a", b"b", b"c"), ("a", b"bc", b""), ("", b"abc")]
    assert len({keys.derive(KEY, *parts) for parts in splits}) == len(splits)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_key_of_low_order_is_refused(point: bytes) -> None:
    with pytest.raises(FederationError, match="client 7 must advertise an X25519 public key"):
        KeyPair(KEY).exchange(point, 7)


@given(st.binary(max_size=40))
def test_a_key_that_is_none_is_refused_or_a_point(public: bytes) -> None:
    try:
        assert len(KeyPair(KEY).exchange(public, 7)) == 32
    except FederationError:
        assert len(public) != 32 or public in LOW_ORDER


@given(st.binary(max_size=200), st.binary(max_size=40), st.data())
def test_a_box_opens_as_it_was_sealed_and_not_otherwise(content: bytes, label: bytes, data: st.DataObject) -> None:
    box = keys.seal(KEY, content, label)
    assert keys.unseal(KEY, box, label, 0, 1) == content
    place = data.draw(st.integers(0, len(box) - 1))
    forged = box[:place] + bytes([box[place] ^ data.draw(st.integers(1, 255))]) + box[place + 1 :]
    for key, sealed, associated in [
        (OTHER, box, label), (KEY, forged, label), (KEY, box, label + b"x"), (KEY, box[:place], label),
    ]:  # fmt: skip
        with pytest.raises(FederationError, match="box from client 0"):
            keys.unseal(key, sealed, associated, 0, 1)


@given(st.binary(max_size=70), st.binary(max_size=40))
def test_only_its_own_signature_passes(signature: bytes, public: bytes) -> None:
    keys.verify(keys.identity_key(KEY), keys.sign(KEY, b"statement"), b"statement", 0)
    for key, signed in itertools.product((keys.identity_key(KEY), public), (signature, keys.sign(KEY, b"other"))):
        with pytest.raises(FederationError, match="client 0 must sign"):
            keys.verify(key, signed, b"statement", 0)


def test_seeded_bytes_repeat_and_differ_by_seed_and_purpose() -> None:
    assert Seeded((1,))(100, "a") == Seeded((1,))(100, "a")
    assert len({Seeded((seed,))(32, purpose) for seed in (1, 2) for purpose in ("a", "b")}) == 4
    assert Seeded(("a",))(32, "b") != Seeded(())(32, "a", "b")
    assert [len(Seeded((1,))(size)) for size in (0, 1, 64, 65)] == [0, 1, 64, 65]
    assert keys.system(32, "a") != keys.system(32, "a")
