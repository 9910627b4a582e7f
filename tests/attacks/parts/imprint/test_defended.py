"""Planted rows under defenses: means over rows that see the same, what is likely behind noise, what was left out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from fedleak.attacks.parts.imprint.bins import binned, planted_rows
from fedleak.attacks.parts.imprint.defended import changes, completed, likely_images
from fedleak.contracts.chain import Chain
from fedleak.gradients.imprint import planted_module
from fedleak.randomness import generator


def test_rows_that_see_the_same_images_are_averaged(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("smooth_task", form="linear", bins=64, batch_size=1, clients=3)
    rows = planted_rows(observation, planted_module(observation.task.network))
    bins = rows.less_next()
    full = (bins.bias.abs() > 1e-3 * bins.bias.abs().max()).nonzero()[:, 0]
    size = 0.05 * bins.bias[full].abs().min()
    noise = size * torch.randn(rows.weight.shape, generator=generator(0)).double()
    noisy = replace(
        rows, weight=rows.weight + noise, bias=rows.bias + noise[:, 0], error=torch.full_like(rows.bias, size)
    )
    found = changes(noisy)
    assert found.lower[:-1].tolist() == bins.lower[full].tolist()
    assert (found.error[:-1] < size).all()
    assert torch.allclose(found.bias[:-1], bins.bias[full], atol=4 * float(found.error[:-1].max()))


@pytest.mark.parametrize("form", ["linear", "sparse"])
def test_of_noise_alone_nothing_is_read(form: str, planted_sum: Callable[..., Any]) -> None:
    chain = Chain.build(({"use": "clipping", "max_norm": 1e-6}, {"use": "gaussian-noise", "std": 1.0}))
    observation, _ = planted_sum("smooth_task", form=form, bins=64, batch_size=2, defense=chain)
    layer = planted_module(observation.task.network)
    rows = binned(observation, layer) if form == "sparse" else changes(planted_rows(observation, layer))
    assert not len(likely_images(observation, rows, 8))


NONE = torch.zeros(0, dtype=torch.long)


def test_what_is_missing_is_smaller_than_what_was_sent(planted_sum: Callable[..., Any]) -> None:
    chain = Chain.build(({"use": "top-k", "fraction": 0.01},))
    observation, truth = planted_sum("smooth_task", bins=64, batch_size=2, defense=chain)
    rows = binned(observation, planted_module(observation.task.network))
    images = completed(observation, rows, NONE)
    lacking = (rows.sent.double().mean(1) > 0.1) & ~rows.sent.all(1) & (rows.bias != 0)
    cut = rows.weight[lacking] / rows.bias[lacking, None]
    assert len(images) == len(cut) >= 3
    apart, black = (torch.cdist(one, truth.inputs.flatten(1).double()).amin(1) for one in (images, cut))
    assert apart.square().mean() < black.square().mean() / 1.5


def test_rows_that_lack_nothing_or_were_read_are_left_alone(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("smooth_task", bins=64, batch_size=2)
    rows = binned(observation, planted_module(observation.task.network))
    assert not len(completed(observation, rows, NONE))
    chain = Chain.build(({"use": "top-k", "fraction": 0.01},))
    observation, _ = planted_sum("smooth_task", bins=64, batch_size=2, defense=chain)
    rows = binned(observation, planted_module(observation.task.network))
    assert not len(completed(observation, rows, torch.arange(64)))
