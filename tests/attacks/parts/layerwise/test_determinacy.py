"""The ranks of layers' equations tell beforehand what a walk back through a network can determine."""

import torch
from torch import nn

from fedleak.attacks.analytic.r_gap import RGAP
from fedleak.attacks.parts.layerwise.determinacy import rank_analysis, rank_words
from fedleak.attacks.parts.layerwise.linear_chain import find_chain
from fedleak.learning.task import Task
from fedleak.randomness import generator, seeded
from fedleak.tasks import weights_of


def chain(*layers):
    with seeded("ranks"):
        return Task("chain", nn.Sequential(*layers), (1, 8, 8), 4)


def steps(task):
    return rank_analysis(find_chain(task), weights_of(task.network).parameters, generator("ranks"))


def wide(activation):
    return chain(nn.Conv2d(1, 6, 3, padding=1), activation, nn.Flatten(), nn.Linear(384, 4))


def test_the_analysis_needs_no_update_and_agrees_with_the_attack(observe, batch_of):
    narrow = chain(nn.Conv2d(1, 2, 2, stride=2, bias=False), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(32, 4))
    for task in (narrow, wide(nn.LeakyReLU(0.2)), wide(nn.Sigmoid())):
        guess = RGAP().run(observe(task, batch_of(task, 1)), generator(0))
        assert guess.note == rank_words(steps(task))


def test_full_rank_means_an_exact_image_and_less_does_not(observe, batch_of):
    narrow = chain(nn.Conv2d(1, 2, 2, stride=2, bias=False), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(32, 4))
    for task in (narrow, wide(nn.LeakyReLU(0.2))):
        batch = batch_of(task, 1)
        guess = RGAP().run(observe(task, batch), generator(0))
        full = all(step.rank == step.unknowns for step in steps(task))
        assert ((guess.inputs - batch.inputs).abs().max() < 1e-2) == full


def test_half_of_a_relu_s_outputs_are_no_equations():
    strict = chain(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4))
    leaky = chain(nn.Conv2d(1, 1, 3, padding=1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 4))
    assert steps(leaky)[-1].rank == 64
    assert steps(strict)[-1].rank < 64


def test_a_linear_layer_s_gradient_determines_its_input():
    task = chain(nn.Flatten(), nn.Linear(64, 3), nn.ReLU(), nn.Linear(3, 4))
    assert [(step.name, step.rank, step.unknowns) for step in steps(task)] == [("3", 3, 3), ("1", 64, 64)]


def test_a_drawn_derivative_leaves_the_weights_alone():
    task = wide(nn.LeakyReLU(0.2))
    weights = weights_of(task.network)
    before = weights.clone()
    rank_analysis(find_chain(task), weights.parameters, generator("ranks"))
    assert all(torch.equal(value, before.parameters[name]) for name, value in weights.parameters.items())
