"""Weights in another precision, and how far apart its numbers lie."""

import pytest
import torch

from fedleak.gradients.precision import in_dtype, spacing
from fedleak.learning.weights import Weights


def test_counters_keep_their_type_and_the_original_stays():
    weights = Weights({"w": torch.ones(2)}, {"mean": torch.zeros(2), "count": torch.tensor(3)})
    double = in_dtype(weights, torch.float64)
    assert {name: value.dtype for name, value in double.state_dict().items()} == {
        "w": torch.float64,
        "mean": torch.float64,
        "count": torch.int64,
    }
    same = in_dtype(weights, torch.float32)
    same.parameters["w"].zero_()
    assert weights.parameters["w"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_next_number_is_one_epsilon_from_one_and_twice_that_from_two(dtype):
    epsilon = torch.finfo(dtype).eps
    values = torch.tensor([1.0, -1.0, 2.0, -3.0], dtype=dtype)
    assert spacing(values).tolist() == [epsilon, epsilon, 2 * epsilon, 2 * epsilon]
