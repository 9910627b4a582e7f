"""The share of noise that an attacker reckons with is the one that there is."""

from dataclasses import replace

import pytest
import torch

from fedleak.api import observe
from fedleak.attacks.parts.engine.defense_aware import noise_share
from fedleak.contracts.chain import Chain
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator
from fedleak.settings.base import Table


def share(*tables: Table, signal: float, std: float, cohort: tuple[int, ...] = (0,)) -> float:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 4))
    seen = observe(network, torch.rand(1, 1, 6, 6, generator=generator(0)), torch.tensor([1])).observation
    entries = sum(value.numel() for value in seen.update.tensors.values())
    values = torch.randn(entries, generator=generator(1))
    values = values / values.norm() * (entries * (signal**2 + std**2)) ** 0.5
    update = Update(seen.update.tensors, UpdateKind.DELTA).with_vector(values)
    return noise_share(replace(seen, update=update, defense=Chain.build(tables), cohort=cohort))


def test_half_of_an_update_may_be_noise() -> None:
    assert share({"use": "gaussian-noise", "std": 0.3}, signal=0.3, std=0.3) == pytest.approx(0.5)
    assert share({"use": "laplace-noise", "scale": 0.3 / 2**0.5}, signal=0.3, std=0.3) == pytest.approx(0.5)


def test_noises_of_several_defenses_add_up_and_those_of_several_clients_average_out() -> None:
    two: list[Table] = [{"use": "gaussian-noise", "std": 0.3}, {"use": "gaussian-noise", "std": 0.4}]
    assert share(*two, signal=0.5, std=0.5) == pytest.approx(0.5)
    assert share(*two, signal=0.5, std=0.25, cohort=(0, 1, 2, 3)) == pytest.approx(0.2)


def test_without_noise_there_is_none_and_it_is_never_more_than_all() -> None:
    assert share(signal=1.0, std=0.0) == 0.0
    assert share({"use": "top-k", "fraction": 0.5}, signal=1.0, std=0.0) == 0.0
    assert share({"use": "gaussian-noise", "std": 9.0}, signal=0.1, std=0.1) == 1.0
