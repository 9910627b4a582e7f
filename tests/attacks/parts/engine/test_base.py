"""Matching attacks on a device: everything goes there, and one that is not there is a reason."""

import dataclasses
from typing import Any

import pytest
import torch

from fedleak.attacks.parts.engine.base import MatchingAttack
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator

MATCHING = sorted(cls.name for cls in attacks if issubclass(cls, MatchingAttack))
CHAINS: dict[str, dict[str, Any]] = {
    "clipping": {"max_norm": 0.1},
    "gaussian-noise": {"std": 1e-3},
    "laplace-noise": {"scale": 1e-3},
    "top-k": {"fraction": 0.5},
    "qsgd": {},
    "eight-bit": {},
    "sign-sgd": {},
    "ats": {},
}
"""Defenses that attackers adapt to in different ways."""


def quick(name: str, **more: Any) -> MatchingAttack:
    """An attack of two steps."""
    fields = {field.name for field in dataclasses.fields(attacks.get(name))} & {"steps", "restarts", "training_steps"}
    attack = attacks.build(name, {**dict.fromkeys(fields, 2), **more})
    assert isinstance(attack, MatchingAttack)
    return attack


def with_public(observation, batch: Batch):
    return dataclasses.replace(observation, auxiliary=batch)


@pytest.mark.slow
@pytest.mark.parametrize("name", MATCHING)
def test_a_matching_attack_computes_on_its_device_alone(name, normalized_task, observe, batch_of, fake_gpu):
    seen = with_public(observe(normalized_task, batch_of(normalized_task, 2)), batch_of(normalized_task, 24, 1))
    guess = quick(name, device="cuda").run(seen, generator(0))
    assert guess.failure is None
    assert guess.inputs is not None
    assert guess.inputs.device.type == "cpu"
    assert fake_gpu.computed > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAINS)
def test_what_is_known_of_a_defense_goes_there_too(name, smooth_task, observe, batch_of, fake_gpu, monkeypatch):
    monkeypatch.setattr("fedleak.defenses.augmentation.FITTING_STEPS", 4)
    defense = defenses.build(name, CHAINS[name])
    clear = observe(smooth_task, batch_of(smooth_task, 2))
    sent = defense.protect(clear.update, generator("defense"))
    seen = dataclasses.replace(clear, update=sent, defense=Chain((defense,)))
    guess = quick("inverting-gradients", device="cuda", restarts=1).run(seen, generator(0))
    assert guess.failure is None
    assert fake_gpu.computed > 100


def test_without_the_device_it_says_so_and_what_there_is(smooth_task, observe, batch_of, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    guess = quick("dlg", device="cuda").run(observe(smooth_task, batch_of(smooth_task, 1)), generator(0))
    assert guess.failure is not None
    assert 'device = "cuda" was asked for, and torch' in guess.failure
    assert "finds the processor alone" in guess.failure


def test_mps_computes_in_float32_and_refuses_more(smooth_task, observe, batch_of, monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "float64" in str(quick("dlg").dtype(torch.float64))
    assert "float32" in str(quick("dlg", device="mps").dtype(torch.float64))
    seen = observe(smooth_task, batch_of(smooth_task, 1), LocalTraining(batch_size=1))
    guess = quick("dlg", device="mps", precision="float64").run(seen, generator(0))
    assert guess.failure == 'a device "mps" has no float64; take precision = "float32", or another device'
