"""What holds for every attack: same dice same answer, nothing changed, honest failure on updates that say nothing."""

import copy
from dataclasses import fields, replace

import pytest
import torch

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import ConfigError
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator

COUNTS = {"steps": 8, "restarts": 1, "iterations": 3, "epochs": 2}
"""What attacks are cut down to: these laws ask nothing of how good a guess is."""
NAMES = [cls.name for cls in attacks if cls.__module__.startswith("fedleak.attacks.")]
INFORMED = [name for name in NAMES if name not in ("prior", "no-gradient")]


def quick(name: str) -> Attack:
    cls = attacks.get(name)
    short = {"use": "inverting-gradients", "steps": 4}
    if name == "best-of":
        return attacks.build(name, {"attack": short, "restarts": 2})
    if name == "plain":
        return attacks.build(name, {"attack": short})
    return attacks.build(name, {field.name: COUNTS[field.name] for field in fields(cls) if field.name in COUNTS})


def says_something(guess: Reconstruction) -> bool:
    said = (guess.failure, guess.inputs, guess.labels, guess.membership, guess.properties)
    return any(one is not None for one in said)


def bits(observation: Observation) -> list[torch.Tensor]:
    buffers = observation.buffers_after or {}
    tensors = {**observation.before.state_dict(), **observation.update.tensors, **buffers}
    return [value.clone() for value in tensors.values()]


@pytest.fixture(params=["linear_task", "smooth_task", "normalized_task"])
def observation(request, observe, batch_of):
    task = request.getfixturevalue(request.param)
    return observe(task, batch_of(task, 3)).with_auxiliary(batch_of(task, 20, seed=1))


@pytest.mark.parametrize("name", NAMES)
def test_same_dice_same_guess_and_nothing_is_changed(name, observation):
    before = bits(observation)
    network = copy.deepcopy(observation.task.network.state_dict())
    first, second = (quick(name).run(observation, generator(7)) for _ in range(2))
    assert all(torch.equal(old, new) for old, new in zip(before, bits(observation), strict=True))
    assert all(torch.equal(value, network[key]) for key, value in observation.task.network.state_dict().items())
    assert first.failure == second.failure
    for one, other in ((first.inputs, second.inputs), (first.labels, second.labels)):
        assert (one is None and other is None) or torch.equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_guess_is_images_in_the_box_and_labels_that_exist(name, observation):
    guess = quick(name).run(observation, generator(7))
    if guess.inputs is not None:
        assert guess.inputs.dtype == torch.float32
        assert guess.inputs.shape[1:] == observation.task.shape
        assert guess.inputs.min() >= 0
        assert guess.inputs.max() <= 1
    if guess.labels is not None:
        assert guess.labels.dtype == torch.int64
        assert set(guess.labels.tolist()) <= set(range(observation.task.classes))
    assert says_something(guess)


@pytest.mark.parametrize("name", INFORMED)
@pytest.mark.parametrize(("value", "words"), [(0.0, "zero"), (float("nan"), "NaN"), (float("inf"), "infinite")])
def test_an_update_without_information_fails_with_a_reason(name, value, words, observation, with_update):
    empty = with_update(observation, torch.full_like(observation.update.vector(), value))
    guess = quick(name).run(empty, generator(7))
    assert guess.failure
    assert guess.inputs is None
    # Or the attack does not apply to such a network at all, and says that.
    assert words in guess.failure or guess.failure == quick(name).run(observation, generator(7)).failure


@pytest.mark.parametrize("name", NAMES)
def test_a_masked_update_gives_some_guess_or_a_reason(name, observation, with_update):
    vector = observation.update.vector()
    garbage = (torch.rand(vector.shape, generator=generator("mask")) - 0.5) * 2**15
    masked = replace(with_update(observation, garbage), masked=True, buffers_after=None)
    guess = quick(name).run(masked, generator(7))
    assert says_something(guess)
    if guess.inputs is not None:
        assert torch.isfinite(guess.inputs).all()


@pytest.mark.parametrize("name", NAMES)
def test_everything_may_be_unknown(name, observation):
    unknown = LocalTraining().hiding(tuple(LocalTraining().__dataclass_fields__))
    blind = replace(observation, training=unknown, num_examples=None, buffers_after=None, cohort=(0, 1), auxiliary=None)
    guess = quick(name).run(blind, generator(7))
    assert says_something(guess)


def test_options_are_checked_where_they_enter():
    assert attacks.build("dlg", {"steps": 100}).steps == 100
    nested = attacks.from_table({"use": "best-of", "attack": {"use": "dlg"}, "restarts": 8})
    assert attacks.from_table(nested.options() | {"use": "best-of"}) == nested
    with pytest.raises(ConfigError, match="step: unknown field of attack 'dlg'; did you mean 'steps'"):
        attacks.build("dlg", {"step": 100})
    with pytest.raises(ConfigError, match="steps: expected greater than or equal to 1, got 0"):
        attacks.build("dlg", {"steps": 0})
