"""Low bits: what is written is read, signs and magnitudes stay, and errors below half of the guard change nothing."""

import pytest
import torch
from torch import Tensor

from fedleak.randomness import generator
from fedleak.tamperings.parts.low_bits import LEAST, LowBits

VALUES = 0.3 * torch.randn(500, generator=generator("values"))
BITS = torch.rand(6000, generator=generator("bits")) < 0.5


def moved(values: Tensor, ulps: int) -> Tensor:
    """So many floats further from zero."""
    return (values.view(torch.int32) + ulps).view(torch.float32)


@pytest.mark.parametrize(("bits", "guard"), [(12, 6), (1, 0), (16, 7), (23, 0)])
def test_what_is_written_is_read(bits: int, guard: int) -> None:
    numbers = LowBits(bits=bits, guard=guard)
    some = BITS[: 500 * bits]
    assert torch.equal(numbers.read(numbers.written(VALUES, some))[: len(some)], some)


def test_signs_and_magnitudes_stay_but_near_zero() -> None:
    written = LowBits(bits=12, guard=6).written(torch.cat([VALUES, torch.zeros(1), torch.tensor([-1e-30])]), BITS)
    assert torch.equal(written.sign(), torch.cat([VALUES.sign(), torch.tensor([1.0, -1.0])]))
    assert float(((written[:500] - VALUES) / VALUES).abs()[VALUES.abs() > LEAST].max()) <= 2.0**-5
    assert float(written.abs().min()) >= LEAST


@pytest.mark.parametrize("ulps", [31, -32])
def test_errors_below_half_of_the_guard_change_nothing(ulps: int) -> None:
    numbers = LowBits(bits=12, guard=6)
    written = numbers.written(VALUES, BITS)
    assert torch.equal(numbers.read(moved(written, ulps)), BITS)
    assert not torch.equal(numbers.read(moved(written, 64)), BITS)


def test_a_number_that_bits_go_into_in_part_is_filled_up() -> None:
    numbers = LowBits(bits=12, guard=6)
    assert numbers.values_for(25) == 3
    read = numbers.read(numbers.written(VALUES[:3], BITS[:25]))
    assert torch.equal(read[:25], BITS[:25])
    assert not read[25:].any()
