"""Proofs: derivatives computed again are those of autograd, and where they cannot be there is no proof."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from fedleak.attacks.parts.imprint.bins import read_bins
from fedleak.attacks.parts.imprint.proof import derivatives, provable, proved
from fedleak.contracts.chain import Chain
from fedleak.defenses.clipping import Clipping
from fedleak.gradients.imprint import first_linear, planted_module
from fedleak.gradients.precision import in_dtype


@pytest.mark.parametrize(("task", "form"), [("smooth_task", "sparse"), ("linear_task", "weights")])
def test_derivatives_are_those_of_autograd(task: str, form: str, planted_sum: Callable[..., Any]) -> None:
    observation, truth = planted_sum(task, form=form, bins=16, batch_size=2)
    layer = planted_module(observation.task.network) or first_linear(observation.task)
    images, weights = truth.inputs.flatten(1).double()[:3], in_dtype(observation.before, torch.float64)
    found = derivatives(observation, layer, images)
    for place, image in enumerate(images):
        for label in range(4):
            gradient = observation.task.gradients(
                weights, image.reshape(1, *observation.task.shape), torch.tensor([label])
            )
            own = gradient[layer.behind.replace("weight", "bias")] @ layer.column(observation.before)
            assert found[place, label].item() == pytest.approx(own.item(), rel=1e-9)


def test_a_mixture_is_not_proved(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("smooth_task", bins=256, batch_size=4)
    layer = planted_module(observation.task.network)
    bins = read_bins(observation, layer)
    assert proved(observation, layer, bins).float().mean() > 0.7
    mixed = replace(bins, images=0.7 * bins.images + 0.3 * bins.images.roll(1, 0))
    assert not proved(observation, layer, mixed).any()
    assert not proved(observation, layer, replace(bins, error=torch.full_like(bins.error, 1e-3))).any()


def test_who_cannot_compute_it_again_proves_nothing(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("smooth_task", bins=16, batch_size=2)
    layer = planted_module(observation.task.network)
    assert provable(observation, layer)
    training = observation.training
    for changed in (
        {"num_examples": None},
        {"defense": Chain((Clipping(max_norm=1.0),))},
        {"training": replace(training, learning_rate=None)},
        {"training": replace(training, optimizer="adam")},
        {"training": replace(training, epochs=2, momentum=0.9)},
    ):
        assert not provable(replace(observation, **changed), layer)
    assert not provable(replace(observation, training=replace(training, epochs=2)), replace(layer, sparse=False))
    mixing, _ = planted_sum("normalized_task", bins=16, batch_size=2)
    assert not provable(mixing, planted_module(mixing.task.network))
