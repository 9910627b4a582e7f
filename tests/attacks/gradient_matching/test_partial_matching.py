"""Partial matching: which entries count, and that it finds an image."""

import math

import pytest
import torch

from fedleak.attacks.parts.engine.distances import on_largest, squared
from fedleak.attacks.parts.optimizers.first_order import flat_adam, signed_adam
from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


@pytest.mark.parametrize("matched", [0.5, 1.0])
def test_one_image_is_found_behind_relu(matched, linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    attack = attacks.build("partial-matching", {"total_variation": 0.0, "matched": matched, "steps": 200})
    guess = attack.run(observe(linear_task, batch), generator(0))
    assert -10 * math.log10((guess.inputs - batch.inputs).square().mean().item()) > 25


def test_the_largest_entries_of_each_tensor_count():
    observed = [torch.tensor([1.0, -4.0, 2.0, 0.5]), torch.tensor([0.1])]
    distance = on_largest(0.5, squared)(observed)
    ignored = [torch.tensor([9.0, -4.0, 2.0, 9.0]), torch.tensor([0.1])]
    assert distance(ignored).item() == 0.0
    assert distance([observed[0], torch.tensor([0.2])]).item() > 0
    assert distance([torch.tensor([1.0, 4.0, 2.0, 0.5]), observed[1]]).item() > 0


def walked(optimiser, slope, steps=30):
    way, trail = optimiser(torch.tensor([0.3]), steps), []
    _, point = next(way)
    try:
        while True:
            trail.append(point.clone())
            _, point = way.send((torch.zeros(()), slope(point)))
    except StopIteration:
        return trail


def test_without_regularisation_it_is_signed_adam():
    def slope(point):
        return 2 * point

    plain, flat = walked(signed_adam(0.1), slope), walked(flat_adam(0.1, 0.0), slope)
    assert torch.equal(torch.cat(plain), torch.cat(flat[::2]))


def test_the_second_look_is_one_step_uphill():
    trail = walked(flat_adam(0.1, 0.3), lambda point: 2 * point, steps=2)
    assert trail[1].item() == pytest.approx(0.3 + 0.1)
