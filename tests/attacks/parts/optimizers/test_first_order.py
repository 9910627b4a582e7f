"""Gradient regularization beside signed Adam."""

import pytest
import torch

from fedleak.attacks.parts.optimizers.first_order import flat_adam, signed_adam


def walked(optimizer, slope, steps=30):
    trajectory, trail = optimizer(torch.tensor([0.3]), steps), []
    _, point = next(trajectory)
    try:
        while True:
            trail.append(point.clone())
            _, point = trajectory.send((torch.zeros(()), slope(point)))
    except StopIteration:
        return trail


def test_without_regularization_it_is_signed_adam():
    def slope(point):
        return 2 * point

    plain, flat = walked(signed_adam(0.1), slope), walked(flat_adam(0.1, 0.0), slope)
    assert torch.equal(torch.cat(plain), torch.cat(flat[::2]))


def test_the_second_look_is_one_step_uphill():
    trail = walked(flat_adam(0.1, 0.3), lambda point: 2 * point, steps=2)
    assert trail[1].item() == pytest.approx(0.3 + 0.1)
