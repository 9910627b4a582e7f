"""Shamir's secret sharing over a prime field: any `threshold` shares give the secret, fewer say nothing about it.

https://doi.org/10.1145/359168.359176. A share is the value of a random polynomial at the point of its holder; the
secret is the value at zero. Python's own integers: a split of 67 of 100 takes 1 ms, a join 32 µs once its weights are
there.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeAlias

from fedleak.errors import FederationError

from .keys import Randomness

PRIME = 2**256 + 297
SECRET, SHARE = 32, 33
"""Bytes of a secret and of a share: the field has a few elements that 32 bytes do not hold."""
Weights: TypeAlias = Mapping[int, int]
"""The Lagrange weight at zero of each point."""


def split(
    secret: bytes, points: Sequence[int], threshold: int, randomness: Randomness, *purpose: object
) -> list[bytes]:
    """A share of 33 bytes for each point, of which any `threshold` give the 32-byte secret.

    Points are different and above zero. Coefficients are 48 random bytes modulo the prime: uniform to 2^-127.
    """
    if len(secret) != SECRET or not 1 <= threshold <= len(set(points)) == len(points) or min(points) < 1:
        raise FederationError(
            f"secure-aggregation: a secret of {SECRET} bytes is split among different points above zero, at least "
            f"as many as the threshold; {len(secret)} bytes, {len(points)} points and threshold {threshold} came"
        )
    drawn = randomness(48 * (threshold - 1), "coefficients", *purpose)
    coefficients = [int.from_bytes(drawn[start : start + 48], "big") % PRIME for start in range(0, len(drawn), 48)]
    polynomial = [*coefficients, int.from_bytes(secret, "big")]
    return [_value(polynomial, point).to_bytes(SHARE, "big") for point in points]


def _value(polynomial: Sequence[int], point: int) -> int:
    """By Horner's rule, the highest coefficient first."""
    value = 0
    for coefficient in polynomial:
        value = (value * point + coefficient) % PRIME
    return value


def weights(points: Sequence[int]) -> Weights:
    """The Lagrange weights at zero of a set of points, computed once for all secrets whose shares lie there."""
    every = math.prod(points) % PRIME
    inverses = _inverses([_denominator(point, points) for point in points])
    return {point: every * inverse % PRIME for point, inverse in zip(points, inverses, strict=True)}


def _inverses(values: Sequence[int]) -> list[int]:
    """Of each value, by Montgomery's trick: one inversion of the product, and products for the rest."""
    products = list(accumulate(values, lambda product, value: product * value % PRIME, initial=1))
    inverse, found = pow(products.pop(), -1, PRIME), []
    for value, before in zip(reversed(values), reversed(products), strict=True):
        found.append(inverse * before % PRIME)
        inverse = inverse * value % PRIME
    return found[::-1]


def _denominator(point: int, points: Sequence[int]) -> int:
    """The point times its distances to all others; the product of small integers is reduced once."""
    return point * math.prod(other - point for other in points if other != point) % PRIME


def join(weights: Weights, shares: Mapping[int, bytes], owner: int) -> bytes:
    """The 32-byte secret of client `owner`, from its shares by point; the weights' points choose them."""
    secret = sum(weight * int.from_bytes(shares[point], "big") for point, weight in weights.items()) % PRIME
    if secret >> (8 * SECRET):
        raise FederationError(f"secure-aggregation: {forged(owner)}")
    return secret.to_bytes(SECRET, "big")


def forged(owner: int) -> str:
    """What is said where the shares of a client do not give its secret."""
    return f"the shares of client {owner}'s secrets must fit together, and what came does not give what it advertised"


def check(share: bytes, owner: int, holder: int) -> None:
    """Refuses a share that is no element of the field."""
    if len(share) != SHARE or int.from_bytes(share, "big") >= PRIME:
        raise FederationError(
            f"secure-aggregation: client {holder} must give a share of {SHARE} bytes below the prime for client "
            f"{owner}, and what came is none"
        )
