"""Changes as one vector, and the mean that comes out of a sum."""

import numpy as np
import torch

from fedleak.learning.mean_change import MeanChange, changes, shaped
from fedleak.learning.weights import Weights

BEFORE = Weights({"w": torch.tensor([[1.0, 2.0]])}, {"count": torch.tensor(3)})
AFTER = Weights({"w": torch.tensor([[1.5, 0.0]])}, {"count": torch.tensor(5)})


def test_changes_are_those_of_all_parameters_and_buffers_and_back_they_are_what_came():
    vector = changes(BEFORE, AFTER)
    assert vector.tolist() == [0.5, -2.0, 2.0]
    mean = MeanChange(vector, examples=1)
    assert torch.equal(mean.state(BEFORE)["w"], AFTER.parameters["w"])
    assert mean.state(BEFORE)["count"].dtype is torch.float64
    assert mean.by_name(BEFORE)["w"].shape == (1, 2)


def test_more_values_than_there_are_entries_are_left_out():
    assert shaped(BEFORE, np.arange(5.0))["count"] == 2.0
