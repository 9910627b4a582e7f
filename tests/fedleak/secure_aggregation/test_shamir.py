"""Laws of secret sharing: any threshold of shares joins, fewer fit every secret, and shamirs says the same."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import FederationError
from fedleak.secure_aggregation import shamir
from fedleak.secure_aggregation.keys import Seeded
from fedleak.secure_aggregation.shamir import PRIME

secrets = st.binary(min_size=32, max_size=32)
points = st.lists(st.integers(1, 2**32), min_size=2, max_size=12, unique=True)


@given(secrets, points, st.data())
def test_any_threshold_of_the_shares_gives_the_secret(secret: bytes, points: list[int], data: st.DataObject) -> None:
    threshold = data.draw(st.integers(1, len(points)))
    shares = dict(zip(points, shamir.split(secret, points, threshold, Seeded((0,)), "test"), strict=True))
    chosen = data.draw(st.permutations(points))[:threshold]
    assert shamir.join(shamir.weights(chosen), shares, 0) == secret


@given(secrets, secrets, st.integers(2, 8))
def test_fewer_shares_fit_every_secret(secret: bytes, other: bytes, threshold: int) -> None:
    """One share fewer than the threshold and any other secret at zero lie on one polynomial of the same degree."""
    points = list(range(1, threshold + 1))
    shares = shamir.split(secret, points, threshold, Seeded((0,)), "test")
    known = {0: other, **dict(zip(points[:-1], shares, strict=False))}
    missing = interpolated({point: int.from_bytes(share, "big") for point, share in known.items()}, points[-1])
    completed = {**known, points[-1]: missing.to_bytes(33, "big")}
    assert shamir.join(shamir.weights(points), completed, 0) == other


def interpolated(values: dict[int, int], at: int) -> int:
    """Lagrange's formula in exact fractions, then modulo the prime."""
    total = 0
    for point, value in values.items():
        weight = Fraction(1)
        for other in values.keys() - {point}:
            weight *= Fraction(at - other, point - other)
        total += value * weight.numerator * pow(weight.denominator, -1, PRIME)
    return total % PRIME


@pytest.mark.slow  # to import sympy takes that long
def test_the_modulus_is_prime_and_the_next_above_32_bytes() -> None:
    sympy = pytest.importorskip("sympy")
    assert sympy.nextprime(2**256) == PRIME


def test_shamirs_joins_our_shares_and_we_join_its() -> None:
    shamirs = pytest.importorskip("shamirs")
    secret = bytes(range(200, 232))
    ours = shamir.split(secret, range(1, 6), 3, Seeded((0,)), "test")
    theirs = [shamirs.share(point, int.from_bytes(one, "big"), PRIME) for point, one in enumerate(ours[:3], 1)]
    assert shamirs.interpolate(theirs, threshold=3) == int.from_bytes(secret, "big")
    split = shamirs.shares(int.from_bytes(secret, "big"), quantity=5, modulus=PRIME, threshold=3)
    given = {share.index: share.value.to_bytes(33, "big") for share in split[1:4]}
    assert shamir.join(shamir.weights(list(given)), given, 0) == secret


@pytest.mark.parametrize(
    ("secret", "points", "threshold"),
    [
        (b"short", [1, 2], 2),
        (bytes(32), [1, 1], 2),
        (bytes(32), [0, 1], 2),
        (bytes(32), [1, 2], 3),
        (bytes(32), [1], 0),
    ],
)
def test_what_cannot_be_split_is_refused(secret: bytes, points: list[int], threshold: int) -> None:
    with pytest.raises(FederationError, match="is split among different points above zero"):
        shamir.split(secret, points, threshold, Seeded((0,)), "test")


def test_what_joins_to_no_32_bytes_is_refused() -> None:
    with pytest.raises(FederationError, match="shares of client 9's secrets must fit together"):
        shamir.join(shamir.weights([1]), {1: (2**256).to_bytes(33, "big")}, 9)


@pytest.mark.parametrize("share", [b"", bytes(32), bytes(34), PRIME.to_bytes(33, "big"), b"\xff" * 33])
def test_a_share_outside_the_field_is_refused(share: bytes) -> None:
    with pytest.raises(FederationError, match="client 2 must give a share of 33 bytes below the prime for client 1"):
        shamir.check(share, 1, 2)
