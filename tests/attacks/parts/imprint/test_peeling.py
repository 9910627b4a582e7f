"""Peeling: what is taken out is what an image gave, and nothing is kept that the rows do not have."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from fedleak.attacks.parts.imprint.peeling import errors_behind, peelable, peeled
from fedleak.gradients.imprint import first_linear
from fedleak.gradients.precision import in_dtype
from fedleak.randomness import generator

HIDDEN = {"alive": 0.2, "jitter": 0.5}


def test_errors_behind_rows_are_those_of_autograd(planted_sum: Callable[..., Any]) -> None:
    observation, truth = planted_sum("linear_task", form="weights", bins=24, batch_size=1, hidden=HIDDEN)
    layer, weights = first_linear(observation.task), in_dtype(observation.before, torch.float64)
    found = errors_behind(observation, layer, truth.inputs.double().flatten(1))
    for place, image in enumerate(truth.inputs.double()):
        gradient = observation.task.gradients(weights, image[None], truth.labels[place, None])
        own = gradient[layer.behind.replace("weight", "bias")]
        assert torch.allclose(found[place, truth.labels[place]], own, rtol=1e-9, atol=1e-12)


def test_images_are_taken_out_until_nothing_is_left(planted_sum: Callable[..., Any]) -> None:
    whole = 0
    for seed in range(8):
        observation, truth = planted_sum(
            "linear_task", form="weights", bins=24, clients=2, batch_size=2, seed=seed, hidden=HIDDEN
        )
        layer = first_linear(observation.task)
        assert peelable(observation, layer)
        found = peeled(observation, layer)
        apart = found.images[:, None] - truth.inputs.double().flatten(1)
        assert not len(found.images) or apart.square().mean(2).amin(1).max() < 1e-6
        assert not found.certified.any() or len(found.images) == 4
        whole += bool(found.certified.any())
    assert whole >= 2


def test_noise_is_no_image_and_several_steps_are_not_read(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("linear_task", form="weights", bins=24, batch_size=2, hidden=HIDDEN)
    layer, update = first_linear(observation.task), observation.update
    noise = torch.randn(len(update.vector()), generator=generator("noise"))
    assert not peeled(replace(observation, update=update.with_vector(noise)), layer).certified.any()
    assert not peelable(replace(observation, training=replace(observation.training, epochs=2)), layer)
    assert not peelable(observation, replace(layer, sparse=True))
    plain, _ = planted_sum("linear_task", form="weights", bins=24, batch_size=2)
    assert not peelable(plain, layer)
