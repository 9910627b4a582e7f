"""Each trouble is told from the figures that an attacker has, and a guess that fits is in none."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.engine.diagnosis import diagnose
from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction, TracePoint
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator


def guess_of(batch, **facts):
    return Reconstruction(inputs=batch.inputs, labels=batch.labels, **facts)


def falling(*losses):
    return tuple(TracePoint(10 * i, loss) for i, loss in enumerate(losses))


def trouble(observation, guess):
    found = diagnose(observation, guess)
    return found and found.trouble


@pytest.fixture
def elsewhere(smooth_task, batch_of):
    """Images that have nothing to do with the observed ones."""
    return batch_of(smooth_task, 2, seed=9)


def test_the_truth_is_in_no_trouble(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    assert diagnose(observe(smooth_task, batch), guess_of(batch)) is None


def test_wrong_labels_are_suspected_with_their_names(smooth_task, observe, batch_of):
    batch = Batch(batch_of(smooth_task, 2).inputs, torch.tensor([0, 1]))
    found = diagnose(observe(smooth_task, batch), guess_of(Batch(batch.inputs, torch.tensor([0, 3]))))
    assert found.trouble == "labels"
    assert "class 1 were guessed too seldom and class 3 too often" in found.words


def test_the_other_mode_is_suspected(normalized_task, observe, batch_of):
    network = torch.nn.Sequential(
        *[layer for layer in normalized_task.network if not isinstance(layer, torch.nn.Dropout)]
    )
    task = replace(normalized_task, network=network)
    batch = batch_of(task, 4)
    observation = observe(task, batch)
    assert trouble(observation, guess_of(batch)) is None
    mistaken = replace(observation, training=replace(observation.training, mode="eval"))
    assert trouble(mistaken, guess_of(batch)) == "mode"


def test_several_local_steps_cannot_be_one(smooth_task, observe, batch_of, elsewhere):
    training = LocalTraining(batch_size=2, epochs=3)
    observation = observe(smooth_task, batch_of(smooth_task, 2), training)
    other = Batch(elsewhere.inputs, batch_of(smooth_task, 2).labels)
    found = diagnose(observation, guess_of(other))
    assert found.trouble == "local-steps"
    assert "3 local steps" in found.words


def test_labels_are_not_blamed_for_what_several_local_steps_do(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    observation = observe(smooth_task, batch, LocalTraining(batch_size=2, epochs=3))
    wrong = Batch(batch.inputs, (batch.labels + 1) % smooth_task.classes)
    assert diagnose(observation, guess_of(wrong)).trouble == "local-steps"


@pytest.mark.parametrize("name", ["surrogate-model", "fedavg-inversion"])
def test_an_attack_that_follows_all_steps_is_not_told_to_try_itself(smooth_task, observe, batch_of, name):
    observation = observe(smooth_task, batch_of(smooth_task, 2), LocalTraining(batch_size=2, epochs=3))
    guess = attacks.build(name, {"steps": 1}).run(observation, generator(1))
    assert guess.inputs is not None
    assert guess.diagnosis is None


def test_few_entries_are_too_few_for_many_pixels(linear_task, observe, batch_of, with_update):
    batch, other = batch_of(linear_task, 1), batch_of(linear_task, 1, seed=9)
    observation = observe(linear_task, batch)
    vector = observation.update.vector()
    sparse = torch.where(torch.arange(len(vector)) < 20, vector, 0.0)
    sparse[:20] += 1e-3
    assert trouble(with_update(observation, sparse), guess_of(Batch(other.inputs, batch.labels))) == "rank"


def test_an_end_before_the_loss_was_down_is_told_from_a_plateau(linear_task, observe, batch_of):
    batch, other = batch_of(linear_task, 1), batch_of(linear_task, 1, seed=9)
    observation = observe(linear_task, batch)
    poor = Batch(1 - other.inputs, batch.labels)
    still = guess_of(poor, trace=falling(1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2))
    flat = guess_of(poor, trace=falling(1.0, 0.5, 0.3, 0.21, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2))
    assert trouble(observation, still) == "unfinished"
    assert trouble(observation, flat) == "plateau"


def test_divergence_is_told_by_its_note(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    note = "the dummy data diverged after 3 of 9 iterations; this is the best guess before that"
    assert trouble(observe(smooth_task, batch), guess_of(batch, note=note)) == "diverged"


def test_an_attack_says_what_is_wrong_with_its_guess(smooth_task, observe, batch_of):
    attack = attacks.build("inverting-gradients", {"steps": 1, "optimiser": "signed-adam"})
    guess = attack.run(observe(smooth_task, batch_of(smooth_task, 3)), generator(0))
    assert guess.diagnosis is not None
    found = attacks.build("inverting-gradients", {}).run(observe(smooth_task, batch_of(smooth_task, 1)), generator(0))
    assert found.diagnosis is None
