"""Adversarial training: local steps on the worst images nearby."""

import pytest
import torch
from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import Step
from fedleak.randomness import generator, seeded
from fedleak.tasks import weights_of


@pytest.fixture
def step() -> Step:
    with seeded("adversarial training"):
        layers = (nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))
        task = Task("tiny-convnet", nn.Sequential(*layers), (1, 6, 6), 4)
    batch = Batch(torch.rand(5, 1, 6, 6, generator=generator("images")), torch.tensor([0, 1, 3, 2, 2]))
    return Step(task=task, weights=weights_of(task.network), examples=batch, mode="train")


def loss(step: Step, examples: Batch) -> float:
    return float(step.task.loss(step.weights.clone(), examples.inputs, examples.labels, mode=step.mode))


@pytest.mark.parametrize("epsilon", [0.02, 0.1, 0.5])
def test_no_value_moves_further_than_epsilon_or_out_of_its_range(epsilon: float, step: Step) -> None:
    made = defenses.build("adversarial-training", {"epsilon": epsilon}).hardest(step, generator(0))
    assert (made.inputs - step.examples.inputs).abs().max() <= epsilon + 1e-6
    assert made.inputs.min() >= 0
    assert made.inputs.max() <= 1
    assert torch.equal(made.labels, step.examples.labels)


def test_the_ascent_makes_examples_harder_than_chance_does_and_more_so_from_further(step: Step) -> None:
    def after(epsilon: float, steps: int) -> float:
        options = {"epsilon": epsilon, "steps": steps}
        return loss(step, defenses.build("adversarial-training", options).hardest(step, generator(0)))

    space, reach = step.task.space, 2 * torch.rand(step.examples.inputs.shape, generator=generator(0)) - 1
    by_chance = loss(step, Batch(space.clamped(step.examples.inputs + 0.1 * reach), step.examples.labels))
    assert by_chance < after(0.1, 1) < after(0.1, 7) < after(0.2, 7)


def test_the_step_follows_the_gradient_of_the_harder_examples(step: Step) -> None:
    defense = defenses.build("adversarial-training", {})
    made = defense.hardest(step, generator(0))
    wanted = step.task.gradients(step.weights.clone(), made.inputs, made.labels, mode=step.mode)
    followed = defense.gradient(step, generator(0))
    assert all(torch.equal(value, followed[name]) for name, value in wanted.items())


def test_weights_and_statistics_are_as_after_one_plain_step(step: Step) -> None:
    before = step.weights.clone()
    defenses.build("adversarial-training", {}).gradient(step, generator(0))
    assert all(torch.equal(value, step.weights.parameters[name]) for name, value in before.parameters.items())
    assert int(step.weights.buffers["1.num_batches_tracked"]) == 1  # the ascent has left them alone


def test_with_hardly_any_epsilon_it_is_the_plain_gradient(step: Step) -> None:
    followed = defenses.build("adversarial-training", {"epsilon": 1e-7}).gradient(step, generator(0))
    assert all(torch.allclose(value, followed[name], atol=1e-4) for name, value in step.gradient().items())


def test_it_chains_with_what_acts_elsewhere_and_with_no_other_say_in_the_gradient() -> None:
    adversarial = defenses.build("adversarial-training", {})
    assert (
        len(Chain((defenses.build("flat-outputs", {}), adversarial, defenses.build("clipping", {"max_norm": 1.0}))))
        == 3
    )
    with pytest.raises(ConfigError, match="'adversarial-training' and 'dp-sgd' each say"):
        Chain((adversarial, defenses.build("dp-sgd", {})))
