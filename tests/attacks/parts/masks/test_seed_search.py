"""Seeds are found wherever they are among those tried, whatever the signs; and none where they are not."""

from itertools import product

import numpy as np
import pytest

from fedleak.attacks.parts.masks.seed_search import Bitmap, Masked, search
from fedleak.attacks.parts.masks.twister import mask, text_seeds

SEEDS, ENTRIES, MODULUS, STEPS = 2**12, 400, 2**32, 2**22
SIGNS = [signs for peers in (1, 2) for signs in product((1, -1), repeat=peers)]


def hidden(signs: tuple[int, ...], places: list[int], modulus: int = MODULUS) -> tuple[Masked, np.ndarray]:
    """A vector under masks of the seeds at these places, and what is below."""
    rng = np.random.default_rng(len(signs))
    below = np.concatenate([[12345], rng.integers(0, min(STEPS, modulus // 4), ENTRIES - 1, endpoint=True)])
    seeds = [int(text_seeds(place, 1)[0]) for place in places]
    masks = [sign * mask(seed, modulus, ENTRIES) for sign, seed in zip(signs, seeds, strict=True)]
    elements = (below + sum(masks, start=np.zeros_like(below))) % modulus
    return Masked(elements=elements, weight=12345, greatest=min(STEPS, modulus // 4), modulus=modulus), below


@pytest.mark.slow
@pytest.mark.parametrize("signs", SIGNS, ids=str)
@pytest.mark.parametrize("modulus", [2**32, 2**24])
def test_the_masks_are_found_and_what_is_below_is_exact(signs: tuple[int, ...], modulus: int) -> None:
    masked, below = hidden(signs, [SEEDS - 1, 17][: len(signs)], modulus)
    found = search(masked, len(signs), SEEDS)
    assert found is not None
    assert np.array_equal(masked.below(found), below)


@pytest.mark.parametrize("signs", [(1,), (1, -1)], ids=str)
def test_seeds_that_are_not_tried_are_not_found(signs: tuple[int, ...]) -> None:
    masked, _ = hidden(signs, [SEEDS, 17][: len(signs)])
    assert search(masked, len(signs), SEEDS) is None


def test_one_element_off_the_grid_is_proof_against_a_seed() -> None:
    masked, _ = hidden((1,), [17])
    masked.elements[-1] = (masked.elements[-1] + 2**31) % MODULUS
    assert search(masked, 1, SEEDS) is None


def test_a_bitmap_has_what_was_put_in_twice_too_and_nothing_else() -> None:
    there, some = Bitmap(2**12), np.array([0, 7, 8, 8, 4095], np.uint32)
    there.add(some)
    assert np.flatnonzero(there.has(np.arange(2**12, dtype=np.uint32))).tolist() == [0, 7, 8, 4095]
