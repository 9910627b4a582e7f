"""Laws of masks: what is added and taken away is nothing, pieces leave no seam, and a masked vector says nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from fedleak.secure_aggregation import masks
from fedleak.secure_aggregation.masks import CIPHERS, RINGS, Stream

ciphers = st.sampled_from(sorted(CIPHERS))
rings = st.sampled_from(sorted(RINGS))


@given(st.integers(0, 100), st.integers(0, 5), ciphers, rings)
def test_streams_and_those_that_undo_them_leave_nothing(entries: int, count: int, cipher: str, bits: int) -> None:
    vector = np.random.default_rng(0).integers(0, 2**bits, entries, dtype=RINGS[bits])
    streams = [Stream(bytes([number] * 32), added=number % 2 == 0) for number in range(count)]
    hidden = masks.masked(vector, streams, cipher)
    masks.apply(hidden, [stream.removed for stream in streams], cipher)
    assert np.array_equal(hidden, vector)


@pytest.mark.parametrize("cipher", sorted(CIPHERS))
@pytest.mark.parametrize("bits", sorted(RINGS))
def test_a_mask_is_the_cipher_s_key_stream_over_all_pieces(cipher: str, bits: int) -> None:
    entries = masks.PIECE // (bits // 8) * 2 + 3
    found = masks.masked(np.zeros(entries, RINGS[bits]), [Stream(bytes(32), added=True)], cipher)
    stream = CIPHERS[cipher](bytes(32)).update(bytes(found.nbytes))
    assert found.astype(f"<u{bits // 8}").tobytes() == stream


def test_the_vector_given_is_left_alone() -> None:
    vector = np.arange(5, dtype=np.uint64)
    masks.masked(vector, [Stream(bytes(32), added=True)], "chacha20")
    assert np.array_equal(vector, np.arange(5))


@pytest.mark.parametrize("value", [0, 2**63])
@pytest.mark.parametrize("cipher", sorted(CIPHERS))
def test_a_masked_vector_is_uniform_whatever_is_in_it(value: int, cipher: str) -> None:
    vector = np.full(50_000, value, dtype=np.uint64)
    hidden = masks.masked(vector, [Stream(bytes(32), added=True), Stream(bytes(range(32)), added=False)], cipher)
    assert chisquare(np.bincount(hidden.view(np.uint8), minlength=256)).pvalue > 1e-4
    assert chisquare(np.bincount((hidden >> np.uint64(56)).astype(np.int64), minlength=256)).pvalue > 1e-4


def test_one_of_the_ciphers_is_faster() -> None:
    assert masks.faster_cipher(size=1 << 17, repeats=1) in CIPHERS
