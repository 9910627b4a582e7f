"""Seed search: the pairwise masks of a vector from its first elements, all seeds tried; for two masks in the middle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from .twister import BLOCK, Words, every_first_output, first_outputs, mask

Elements = Int64[np.ndarray, " entries"]
Found = tuple[tuple[int, int], ...]
"""The sign and the seed of each mask."""
SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
PROBED = 12
"""Elements by which pairs are told apart before whole masks are drawn."""


@dataclass(frozen=True, kw_only=True)
class Masked:
    """A vector of which every mask but the pairwise ones is taken off, and what is known of what is below them."""

    elements: Elements
    weight: int
    """The first element below the masks."""
    greatest: int
    """Of all other elements below the masks."""
    modulus: int

    @property
    def target(self) -> int:
        """What the masks add up to in the first element."""
        return int(self.elements[0] - self.weight) % self.modulus

    def below(self, masks: Found) -> Elements:
        """The vector without these masks."""
        bare = self.elements.copy()
        for sign, seed in masks:
            bare -= sign * mask(seed, self.modulus, len(bare))
        bare %= self.modulus
        return bare

    def opened_by(self, masks: Found) -> bool:
        """Whether what is left without these masks can be what a client sends, in every element."""
        bare = self.below(masks)
        return bool(bare[0] == self.weight and (bare[1:] <= self.greatest).all())

    def fits(self, place: int, masks: Int64[np.ndarray, " pairs"]) -> Bool[np.ndarray, " pairs"]:
        """Which sums of masks can be those of an element."""
        bare = (self.elements[place] - masks) % self.modulus
        fitting: Bool[np.ndarray, " pairs"] = bare <= self.greatest if place else bare == self.weight
        return fitting


def search(masked: Masked, peers: int, seeds: int) -> Found | None:
    """The masks of a vector with one peer or two; None where none of so many seeds fit."""
    candidates = _single(masked, seeds) if peers == 1 else _pairs(masked, seeds)
    return next((found for found in candidates if masked.opened_by(found)), None)


def _single(masked: Masked, seeds: int) -> Iterator[Found]:
    """The seeds whose mask has the first element, with the sign that it has it by."""
    blocks = -(-seeds // BLOCK)
    for block, outputs in every_first_output(seeds, masked.modulus, 0, blocks):
        for sign in (1, -1):
            hits = block[outputs == np.uint32(sign * masked.target % masked.modulus)]
            yield from (((sign, int(seed)),) for seed in hits)


class Bitmap:
    """A set of elements of the ring, one bit each: 512 MiB of 2^32."""

    def __init__(self, modulus: int) -> None:
        self._bits = np.zeros(-(-modulus // 8), np.uint8)

    def add(self, elements: Words) -> None:
        """Puts elements in."""
        np.bitwise_or.at(self._bits, elements >> 3, _bit(elements))

    def has(self, elements: Words) -> Bool[np.ndarray, " seeds"]:
        """Which elements are in."""
        found: Bool[np.ndarray, " seeds"] = (self._bits[elements >> 3] & _bit(elements)) != 0
        return found


def _bit(elements: Words) -> UInt8[np.ndarray, " seeds"]:
    return np.left_shift(np.uint8(1), (elements & np.uint32(7)).astype(np.uint8))


@dataclass(frozen=True)
class Half:
    """Seeds that have a partner: with another they can add up to the target."""

    seeds: Words
    firsts: Words


def _pairs(masked: Masked, seeds: int) -> Iterator[Found]:
    """Pairs of seeds whose masks fit the first elements, by their signs.

    Two passes over all seeds: what first elements there are, and which of them have a partner among these; of a set of
    2^28 in a ring of 2^32 it is one in sixteen.
    """
    blocks, there = -(-seeds // BLOCK), Bitmap(masked.modulus)
    for _, outputs in every_first_output(seeds, masked.modulus, 0, 2 * blocks):
        there.add(outputs)
    kept: dict[tuple[int, int], list[tuple[Words, Words]]] = {signs: [] for signs in SIGNS}
    for block, outputs in every_first_output(seeds, masked.modulus, blocks, 2 * blocks):
        for signs, found in kept.items():
            chosen = there.has(_partner(masked, outputs, *signs))
            found.append((block[chosen], outputs[chosen]))
    del there
    for signs in ((1, 1), (-1, -1), (1, -1)):
        left = _half(kept[signs])
        yield from _joined(masked, left, left if signs[0] == signs[1] else _half(kept[signs[1], signs[0]]), signs)


def _half(found: list[tuple[Words, Words]]) -> Half:
    """What was found in all blocks, which is let go."""
    half = Half(*(np.concatenate(one) for one in zip(*found, strict=True)))
    found.clear()
    return half


def _partner(masked: Masked, outputs: Words, own: int, other: int) -> Words:
    """What the other mask must begin with, if one begins with this; signs as they are added."""
    rest = np.uint32(masked.target) - outputs if own == 1 else np.uint32(masked.target) + outputs
    return (rest if other == 1 else np.uint32(0) - rest) & np.uint32(masked.modulus - 1)


def _joined(masked: Masked, left: Half, right: Half, signs: tuple[int, int]) -> Iterator[Found]:
    """Pairs of the two halves that fit, a million at a time at most in memory."""
    order = np.argsort(right.firsts, kind="stable")
    ranked, partners = right.firsts[order], _partner(masked, left.firsts, *signs)
    seconds = [_second(half.seeds) for half in (left, right)]
    for first in range(0, len(partners), 2**20):
        piece = partners[first : first + 2**20]
        start, end = (np.searchsorted(ranked, piece, side=side) for side in ("left", "right"))
        many = end - start
        one = np.repeat(np.arange(first, first + len(piece)), many)
        within = np.arange(len(one)) - np.repeat(np.cumsum(many) - many, many)
        two = order[np.repeat(start, many) + within]
        sums = _signed(masked, signs, [seconds[0][one], seconds[1][two]])
        fitting = masked.fits(1, sums)
        yield from _probed(masked, [left.seeds[one[fitting]], right.seeds[two[fitting]]], signs)


def _second(seeds: Words) -> Words:
    """The second output of each."""
    pieces = [first_outputs(seeds[at : at + BLOCK], 2)[1] for at in range(0, len(seeds), BLOCK)]
    return np.concatenate(pieces) if pieces else seeds


def _probed(masked: Masked, pair: Sequence[Words], signs: tuple[int, int]) -> Iterator[Found]:
    """The pairs that fit some more elements too."""
    count = min(PROBED, len(masked.elements))
    drawn = [first_outputs(seeds, count) for seeds in pair]
    fit = np.ones(len(pair[0]), bool)
    for place in range(count):
        fit &= masked.fits(place, _signed(masked, signs, [outputs[place] for outputs in drawn]))
    for seeds in zip(pair[0][fit], pair[1][fit], strict=True):
        yield tuple(zip(signs, (int(seed) for seed in seeds), strict=True))


def _signed(masked: Masked, signs: tuple[int, int], outputs: Sequence[Words]) -> Int64[np.ndarray, " pairs"]:
    """The sum of two masks in one element."""
    low = [(one & np.uint32(masked.modulus - 1)).astype(np.int64) for one in outputs]
    return signs[0] * low[0] + signs[1] * low[1]
