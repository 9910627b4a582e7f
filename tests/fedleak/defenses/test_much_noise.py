"""Under more and more noise attacks end where guessing begins."""

import pytest
import torch
from torch import nn

from fedleak.api import observe
from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.evaluation.scoring import NOT_GUESSED, score
from fedleak.randomness import generator, one_thread, seeded
from fedleak.settings.base import Table

SEEDS = range(3)
NOISY: list[Table] = [
    {"use": "local-dp", "epsilon": 1e-3, "delta": 1e-5, "max_norm": 1.0},
    {"use": "user-level-dp", "noise_multiplier": 1e4, "max_norm": 1.0, "clients": 1},
    {"use": "dp-sgd", "noise_multiplier": 1e4},
    {"use": "laplace-noise", "scale": 1e4},
]


def model() -> nn.Module:
    with seeded("much noise"):
        layers = (nn.Conv2d(1, 8, 3, padding=1), nn.Sigmoid(), nn.Flatten(), nn.Linear(8 * 36, 4))
        return nn.Sequential(*layers)


def psnr_of(attack: str, chain: list[Table]) -> float:
    """The mean over seeds, on smooth images."""
    psnr, values = metrics.build("psnr", {}), []
    options = {} if attack == "prior" else {"steps": 40}
    for seed in SEEDS:
        corners = torch.rand(1, 1, 3, 3, generator=generator(seed, "corners"))
        images = nn.functional.interpolate(corners, size=(6, 6), mode="bilinear")
        seen = observe(model(), images, torch.tensor([seed % 4]), defense=chain, seed=seed, clients=1)
        with one_thread():
            guess: Reconstruction = attacks.build(attack, options).run(seen.observation, generator(seed))
        assert guess.failure is None, guess.failure
        values.append(score(guess, seen.truth, (psnr,), NOT_GUESSED)[0].value)
    return sum(values) / len(values)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ["inverting-gradients", "dlg"])
def test_without_noise_it_does_better_than_guessing(attack: str) -> None:
    assert psnr_of(attack, []) > psnr_of("prior", []) + 8


@pytest.mark.slow
@pytest.mark.parametrize("chain", NOISY, ids=lambda chain: chain["use"])
@pytest.mark.parametrize("attack", ["inverting-gradients", "dlg"])
def test_under_endless_noise_it_does_no_better(attack: str, chain: Table) -> None:
    assert psnr_of(attack, [chain]) < psnr_of("prior", []) + 1
