"""Payload detectors: thresholds keep to the false alarms that are allowed, and each sees what it is made for."""

import pytest
import torch

from fedleak.analysis.payload_detectors import findings, low_bits, scores, thresholds
from fedleak.errors import ConfigError
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.tamperings.parts.low_bits import LowBits


def model(seed: int) -> Weights:
    """What stands for an honest model: normal numbers, and a parameter too small to look at."""
    rng = generator("honest", seed)
    weight = 0.1 * torch.randn(40, 50, generator=rng, dtype=torch.float64)
    return Weights({"weight": weight.float(), "bias": torch.randn(5, generator=rng)}, {})


TWIN, HONEST = model(0), [model(seed) for seed in range(1, 40)]
LIMITS = thresholds(HONEST, TWIN, alarms=0.025)


def flagged(changed: torch.Tensor) -> set[str]:
    found = findings(Weights({**model(100).parameters, "weight": changed}, {}), TWIN, LIMITS)
    return {one.detector for one in found if one.flagged}


def test_a_model_beside_itself_scores_nothing() -> None:
    assert all(value == pytest.approx(0, abs=1e-3) for value in scores(TWIN, TWIN).values())


def test_of_honest_models_that_set_no_threshold_few_are_flagged() -> None:
    """The largest of 39 scores is the threshold: on average one of 40 others is above."""
    alarms = [one.flagged for seed in range(200, 260) for one in findings(model(seed), TWIN, LIMITS)]
    assert sum(alarms) / len(alarms) < 0.08


def test_false_alarms_that_are_rarer_take_more_honest_models() -> None:
    with pytest.raises(ConfigError, match=r"false alarms of 0.01 take 99 honest models, got 39 models; train more"):
        thresholds(HONEST, TWIN)


def test_guard_bits_are_seen_and_enciphered_bits_alone_are_not() -> None:
    values, bits = model(100).parameters["weight"].flatten(), torch.rand(24_000, generator=generator("bits")) < 0.5
    assert "low bits" in flagged(LowBits(bits=12, guard=6).written(values, bits).view(40, 50))
    assert low_bits(LowBits(bits=12, guard=0).written(values, bits), values) == pytest.approx(1, abs=0.5)


def test_bits_that_are_noise_are_seen_where_those_of_honest_models_are_not() -> None:
    """As of initial weights that never moved: multiples of one step."""
    drawn, other = (0.25 * (torch.rand(2, 4000, generator=generator("drawn")) - 0.5)).unbind()
    bits = torch.rand(48_000, generator=generator("bits")) < 0.5
    assert low_bits(drawn, other) == pytest.approx(1, abs=0.5)
    assert low_bits(LowBits(bits=12, guard=0).written(drawn, bits), other) > 2


def test_each_sees_what_it_is_made_for() -> None:
    honest = model(100).parameters["weight"]
    assert not flagged(honest)
    assert "signs" in flagged(honest.abs())
    assert "tails" in flagged(honest.pow(3))
    assert {"distribution", "near zero"} <= flagged(honest + 0.1 * honest.sign())
