"""Regularizers of images."""

import pytest
import torch

from fedleak.attacks.parts.engine.regularizers import total_variation


def test_total_variation_of_a_ramp():
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    assert total_variation(ramp).item() == pytest.approx(1.0)
