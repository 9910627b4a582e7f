"""Mersenne Twister for many seeds at once: the first outputs of each, without the rest of its state."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64, UInt32

from fedleak.progress import report

Words = UInt32[np.ndarray, " seeds"]
WORDS, SHIFT = 624, 397
"""Of the state, and how far ahead the word lies that an output takes in."""
UPPER, LOWER, TWIST = 0x80000000, 0x7FFFFFFF, 0x9908B0DF
FACTOR = 1812433253
"""Of the recurrence that fills the state from a seed."""
BLOCK = 2**15
"""Seeds at a time: what is computed on stays in the processor's cache."""


def first_outputs(seeds: Words, count: int = 1) -> list[Words]:
    """The first outputs of the generator for each seed; each takes two words of the state and one far ahead.

    A word follows from the one before, so that there is no way around computing all up to the last one needed.
    """
    if not 1 <= count <= WORDS - SHIFT:
        raise ValueError(f"expected 1 to {WORDS - SHIFT} outputs, got {count}")
    word, shifted = seeds.copy(), np.empty_like(seeds)
    near, far = [seeds], []
    for place in range(1, SHIFT + count):
        np.right_shift(word, 30, out=shifted)
        np.bitwise_xor(word, shifted, out=word)
        np.multiply(word, np.uint32(FACTOR), out=word)
        np.add(word, np.uint32(place), out=word)
        if place <= count:
            near.append(word.copy())
        if place >= SHIFT:
            far.append(word.copy())
    return [_output(*three) for three in zip(near, near[1:], far, strict=False)]


def _output(this: Words, following: Words, ahead: Words) -> Words:
    """One word of the next state, tempered."""
    mixed = (this & np.uint32(UPPER)) | (following & np.uint32(LOWER))
    word: Words = ahead ^ (mixed >> 1) ^ ((mixed & np.uint32(1)) * np.uint32(TWIST))
    word ^= word >> 11
    word ^= (word << 7) & np.uint32(0x9D2C5680)
    word ^= (word << 15) & np.uint32(0xEFC60000)
    word ^= word >> 18
    return word


def text_seeds(first: int, count: int) -> Words:
    """Some of the seeds that are folded from text, whose bytes are below 128, by their place in the order of all."""
    place = np.arange(first, first + count, dtype=np.uint32)
    seeds = np.zeros_like(place)
    for byte in range(4):
        seeds |= (place >> (7 * byte) & np.uint32(0x7F)) << (8 * byte)
    return seeds


def every_first_output(seeds: int, modulus: int, done: int, total: int) -> Iterator[tuple[Words, Words]]:
    """Blocks of seeds with the first element of the mask of each; reports progress from `done` blocks on."""
    for number, first in enumerate(range(0, seeds, BLOCK)):
        block = text_seeds(first, min(BLOCK, seeds - first))
        yield block, first_outputs(block)[0] & np.uint32(modulus - 1)
        report(done + number + 1, total)


def mask(seed: int, modulus: int, entries: int) -> Int64[np.ndarray, " entries"]:
    """The mask that belongs to a seed, as the protocol draws it."""
    return np.random.RandomState(seed).randint(0, modulus - 1, entries, dtype=np.int64)
