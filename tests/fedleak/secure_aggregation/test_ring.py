"""Fixed-point numbers add up in the ring as they do outside of it, to the step of their last place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import FederationError
from fedleak.secure_aggregation.ring import FixedPoint, most_places

FINITE = st.floats(-1000, 1000)


@given(st.lists(FINITE, min_size=1, max_size=9), st.sampled_from([(64, 40), (64, 48), (32, 12)]))
def test_a_sum_of_elements_is_the_sum_of_values(values: list[float], ring: tuple[int, int]) -> None:
    numbers = FixedPoint(*ring)
    rows = [numbers.elements(np.array([value])) for value in values]
    total = numbers.values(np.sum(rows, axis=0, dtype=rows[0].dtype))
    assert abs(total[0] - sum(values)) <= len(values) * 2.0 ** -(numbers.places + 1) + 1e-9 * len(values)


@given(st.integers(0, 2**32 - 1), st.sampled_from([64, 32]))
def test_elements_are_signed_numbers(element: int, bits: int) -> None:
    numbers = FixedPoint(bits, 8)
    vector = np.array([element], dtype=f"u{bits // 8}")
    assert numbers.values(vector)[0] == vector.view(f"i{bits // 8}")[0] / 256
    assert numbers.counts(7, -1).view(f"i{bits // 8}").tolist() == [7, -1]


@pytest.mark.slow
@given(st.floats(1e-6, 1e6), st.integers(1, 1000), st.sampled_from([64, 32]))
def test_the_most_places_are_those_with_which_nothing_overflows(greatest: float, cohort: int, bits: int) -> None:
    places = most_places(bits, greatest, cohort)
    for places, fits in ((places, True), (places + 1, False)):  # noqa: B020
        step = int(np.rint(np.ldexp(greatest, places)))
        assert (cohort * (step + 1) < 2 ** (bits - 1)) or not fits
        assert (cohort * (greatest * 2.0**places + 1) < 2 ** (bits - 1)) is fits


def test_elements_of_another_ring_are_refused() -> None:
    with pytest.raises(FederationError, match="elements of 32 bits, and uint64 came"):
        FixedPoint(32, 8).values(np.zeros(1, dtype=np.uint64))
