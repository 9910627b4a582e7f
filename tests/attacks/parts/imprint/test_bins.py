"""Bins: sums and quotients are those of the images that lie in them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fedleak.attacks.parts.imprint.bins import read_bins, unit_of
from fedleak.attacks.parts.imprint.proof import derivatives
from fedleak.gradients.imprint import planted_module


@pytest.mark.parametrize("form", ["linear", "sparse"])
def test_a_bin_of_one_has_the_derivative_of_its_image(form: str, planted_sum: Callable[..., Any]) -> None:
    observation, truth = planted_sum("smooth_task", clients=1, form=form, bins=16, batch_size=1)
    layer = planted_module(observation.task.network)
    bins = read_bins(observation, layer)
    assert len(bins) == 1
    assert torch.allclose(bins.images[0], truth.inputs.flatten().double(), atol=1e-4)
    own = derivatives(observation, layer, truth.inputs.flatten(1).double())[0, truth.labels[0]]
    assert bins.sums[0].item() == pytest.approx(own.item(), rel=1e-4)
    assert bins.plausible((0.0, 1.0)).all()


def test_a_quotient_outside_its_bin_or_the_range_is_no_image(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("smooth_task", bins=256, batch_size=4)
    bins = read_bins(observation, planted_module(observation.task.network))
    assert bins.plausible((0.0, 1.0)).float().mean() > 0.7
    assert not bins.plausible((0.0, 0.5)).any()
    moved = bins[torch.arange(len(bins))]
    object.__setattr__(moved, "along", bins.along + 1.0)
    assert not moved.plausible((0.0, 1.0)).any()


def test_a_mean_over_steps_counts_an_image_once(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("smooth_task", bins=16, batch_size=2, batches=3, epochs=5)
    assert observation.num_examples == 24
    assert unit_of(observation) == 24 * 5
