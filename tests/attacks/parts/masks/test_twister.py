"""The generator for many seeds at once draws what numpy's draws for each."""

import numpy as np
import pytest
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
from hypothesis import given
from hypothesis import strategies as st

from fedleak.attacks.parts.masks.twister import BLOCK, every_first_output, first_outputs, mask, text_seeds
from fedleak.progress import listening


@pytest.mark.slow
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4), st.integers(1, 40))
def test_outputs_are_those_of_numpy(seeds: list[int], count: int) -> None:
    drawn = first_outputs(np.array(seeds, np.uint32), count)
    for place, seed in enumerate(seeds):
        own = np.random.RandomState(seed).randint(0, 2**32 - 1, count, dtype=np.int64)
        assert [int(one[place]) for one in drawn] == own.tolist()


def test_the_last_outputs_that_need_no_second_state_are_right_and_no_more_are_given() -> None:
    drawn = first_outputs(np.array([7], np.uint32), 227)
    assert [int(one[0]) for one in drawn] == np.random.RandomState(7).randint(
        0, 2**32 - 1, 227, dtype=np.int64
    ).tolist()
    for count in (0, 228):
        with pytest.raises(ValueError, match="1 to 227"):
            first_outputs(np.array([7], np.uint32), count)


@given(st.binary(min_size=4, max_size=32).filter(lambda text: len(text) % 4 == 0), st.sampled_from([2**32, 2**24]))
def test_a_mask_is_flower_s_whatever_its_shapes(secret: bytes, modulus: int) -> None:
    shapes = [(1,), (3, 4), (5,)]
    seed = int(np.bitwise_xor.reduce(np.frombuffer(secret, "<u4")))
    whole = np.concatenate([array.reshape(-1) for array in pseudo_rand_gen(secret, modulus, shapes)])
    assert np.array_equal(mask(seed, modulus, 18), whole)


def test_seeds_of_text_are_all_that_have_bytes_below_128() -> None:
    ends = np.concatenate([text_seeds(0, 2**16), text_seeds(2**28 - 2**16, 2**16)])
    assert len(np.unique(ends)) == len(ends)
    assert not (ends & np.uint32(0x80808080)).any()
    assert ends.max() == 0x7F7F7F7F


def test_blocks_cover_the_seeds_and_tell_how_far_they_are() -> None:
    said: list[tuple[int, int]] = []
    with listening(lambda done, total: said.append((done, total))):
        blocks = list(every_first_output(BLOCK + 5, 2**24, 1, 3))
    assert [len(seeds) for seeds, _ in blocks] == [BLOCK, 5]
    assert all(outputs.max() < 2**24 for _, outputs in blocks)
    assert said == [(2, 3), (3, 3)]
