"""Dice that are given do what rolled ones do, and networks whose dice cannot be seen are refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fedleak.attacks.parts.engine.distances import cosine
from fedleak.attacks.parts.engine.gradient_match import GradientMatch, pixels
from fedleak.attacks.parts.engine.objective import by_autograd, by_function
from fedleak.attacks.parts.engine.public_model import PublicModel
from fedleak.attacks.parts.engine.stochastic_layers import (
    PREFIX,
    DropoutMask,
    LatentNoise,
    secret_draws,
    stochastic_layers,
)
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded


def task_of(*layers: nn.Module) -> Task:
    with seeded("dropout task"):
        return Task("tiny-dropout", nn.Sequential(*layers), (1, 6, 6), 4)


@pytest.fixture
def dropout_task() -> Task:
    return task_of(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.5), nn.Flatten(), nn.Dropout(0.25), nn.Linear(144, 4)
    )


def test_a_mask_scales_what_it_keeps():
    layer = DropoutMask(0.5, False)
    layer.draws = torch.tensor([[1.0, 0.0]])
    assert layer(torch.tensor([[3.0, 3.0]])).tolist() == [[6.0, 0.0]]


def test_masks_have_the_shape_of_what_is_dropped_and_its_rate(dropout_task, observe, batch_of):
    network = stochastic_layers(observe(dropout_task, batch_of(dropout_task, 3)))
    assert network.shapes == {"2": (4, 1, 1), "4": (144,)}
    masks = network.draw(500, generator(1))
    assert masks[PREFIX + "2"].shape == (500, 4, 1, 1)
    assert masks[PREFIX + "4"].mean().item() == pytest.approx(0.75, abs=0.01)
    assert set(masks[PREFIX + "4"].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("gradient", [by_autograd, by_function])
def test_under_the_client_s_masks_the_gradient_is_the_client_s(gradient, dropout_task, observe, batch_of):
    batch = batch_of(dropout_task, 1)
    observation = observe(dropout_task, batch)
    network = stochastic_layers(observation)
    with seeded("test", "dropout"):  # the dice of the client in `observe`
        masks = {
            PREFIX + "2": F.dropout2d(torch.ones(1, 4, 6, 6), 0.5)[..., :1, :1] * 0.5,
            PREFIX + "4": F.dropout(torch.ones(1, 144), 0.25) * 0.75,
        }
    model = network.under(PublicModel.of(observation, torch.float32), masks)
    assert model.stateless
    simulated = model.gradients(batch.inputs, batch.labels, gradient).values()
    for one, other in zip(simulated, observation.gradient().values(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_prior_is_zero_at_the_expected_mean(dropout_task, observe, batch_of):
    network = stochastic_layers(observe(dropout_task, batch_of(dropout_task, 1)))
    masks = {PREFIX + "2": torch.full((1, 4, 1, 1), 0.5), PREFIX + "4": torch.full((1, 144), 0.75)}
    assert network.penalty(masks).item() == pytest.approx(0.0, abs=1e-6)
    masks[PREFIX + "4"] = torch.ones(1, 144)
    assert network.penalty(masks).item() == pytest.approx(0.25)


def test_noise_is_normal_a_priori_and_unbounded():
    noise = LatentNoise()
    drawn = noise.draw(50, (200,), generator(0))
    assert drawn.std().item() == pytest.approx(1.0, abs=0.02)
    assert noise.penalty(drawn).item() == pytest.approx(0.5, abs=0.02)
    assert noise.penalty(torch.zeros(3)).item() == 0.0
    far = torch.full((2, 3), 7.0)
    noise.project(far)
    assert far.min() == 7.0


class Twice(nn.Module):
    """Uses one dropout layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(36, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.drop(inputs.flatten(1))))


class Hidden(nn.Module):
    """Rolls dice that no layer shows."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(36, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(F.dropout(self.drop(inputs.flatten(1)), 0.5, self.training))


@pytest.mark.parametrize(("layer", "words"), [(Twice, "more than once"), (Hidden, "elsewhere")])
def test_dice_that_cannot_become_variables_are_said(layer, words, observe, batch_of):
    task = task_of(layer())
    with pytest.raises(NotApplicable, match=words):
        stochastic_layers(observe(task, batch_of(task, 1)))


def test_alpha_dropout_is_dice_elsewhere(observe, batch_of):
    task = task_of(nn.Flatten(), nn.Dropout(0.5), nn.AlphaDropout(0.5), nn.Linear(36, 4))
    with pytest.raises(NotApplicable, match="elsewhere"):
        stochastic_layers(observe(task, batch_of(task, 1)))


def test_where_nothing_is_dropped_there_is_no_mask(dropout_task, smooth_task, observe, batch_of):
    batch = batch_of(dropout_task, 1)
    with pytest.raises(NotApplicable, match="no dropout layer"):
        stochastic_layers(observe(smooth_task, batch))
    evaluated = observe(dropout_task, batch, LocalTraining(batch_size=1, mode="eval"))
    with pytest.raises(NotApplicable, match="eval mode"):
        stochastic_layers(evaluated)


def test_the_client_s_network_is_left_alone(dropout_task, observe, batch_of):
    stochastic_layers(observe(dropout_task, batch_of(dropout_task, 1)))
    assert isinstance(dropout_task.network[2], nn.Dropout2d)


CHAINS = {"dropout": ({"rate": 0.5}, "3.dropout"), "precode": ({"codes": 8}, "3.bottleneck.noise")}


@pytest.fixture
def defended(linear_task, observe, batch_of) -> Callable[..., Observation]:
    """What a server sees of a client that one of those defenses made roll dice."""

    def observed(name: str, training: LocalTraining | None = None) -> Observation:
        chain = Chain((defenses.build(name, CHAINS[name][0]),))
        with seeded("hardened"):
            task = chain.task(linear_task)
        return replace(observe(task, batch_of(task, 2), training), defense=chain)

    return observed


@pytest.mark.parametrize("name", CHAINS)
def test_who_knows_the_chain_has_its_dice_for_variables(name, defended):
    observation = defended(name)
    match = GradientMatch.of(observation, cosine, pixels(torch.tensor([0, 1])))
    start = match.completed({"inputs": torch.rand(2, 1, 6, 6, generator=generator(0))}, generator(1))
    assert set(start) == {"inputs", PREFIX + CHAINS[name][1]}
    assert match.vectorizes
    one, other = (match.loss(start, by_function).item() for _ in range(2))
    assert one == other
    assert match.loss(start, by_autograd).item() == pytest.approx(one, rel=1e-4)


@pytest.mark.parametrize("name", CHAINS)
def test_who_does_not_know_it_has_not(name, defended):
    observation = replace(defended(name), defense=Chain())
    match = GradientMatch.of(observation, cosine, pixels(torch.tensor([0, 1])))
    start = {"inputs": torch.rand(2, 1, 6, 6, generator=generator(0))}
    assert match.completed(start, generator(1)) is start
    assert not match.vectorizes
    with seeded("rolls"):
        one, other = (match.loss(start, by_autograd).item() for _ in range(2))
    assert one != other


def test_each_of_several_steps_rolls_its_own_dice(defended):
    assert secret_draws(defended("dropout")) is not None
    assert secret_draws(defended("dropout", LocalTraining(batch_size=1, batches=2))) is None


def test_a_network_s_own_dropout_is_no_business_of_other_defenses(dropout_task, observe, batch_of):
    observation = observe(dropout_task, batch_of(dropout_task, 1))
    assert secret_draws(replace(observation, defense=Chain((defenses.build("clipping", {"max_norm": 1.0}),)))) is None


@pytest.mark.parametrize("name", ["inverting-gradients", "grad-inversion", "dlg", "grnn", "surrogate-model"])
def test_every_matching_attack_finds_them(name, defended):
    guess = attacks.build(name, {"steps": 3}).run(defended("dropout"), generator(0))
    assert guess.failure is None
    assert guess.inputs.shape == (2, 1, 6, 6)


def test_masks_stay_in_the_box(defended):
    match = GradientMatch.of(defended("dropout"), cosine, pixels(torch.tensor([0, 1])))
    variables = {"inputs": torch.full((1, 1, 6, 6), 2.0), PREFIX + "3.dropout": torch.tensor([-1.0, 0.5, 3.0])}
    match.project(variables)
    assert variables[PREFIX + "3.dropout"].tolist() == [0.0, 0.5, 1.0]
    assert variables["inputs"].max() == 1.0


@pytest.mark.slow
def test_who_knows_of_dropout_finds_the_image_and_who_does_not_fails(observe, batch_of):
    chain = Chain((defenses.build("dropout", {"rate": 0.3, "behind": "activations"}),))
    with seeded("perceptron"):
        layers = (nn.Flatten(), nn.Linear(36, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))
        task = chain.task(Task("tiny-mlp", nn.Sequential(*layers), (1, 6, 6), 4))
    batch = batch_of(task, 1)
    attack = attacks.build("inverting-gradients", {"steps": 200, "total_variation": 0.0})
    knowing, plain = (
        attack.run(replace(observe(task, batch), defense=known), generator(0)) for known in (chain, Chain())
    )
    assert (knowing.inputs - batch.inputs).square().mean() < 0.003
    assert (plain.inputs - batch.inputs).square().mean() > 0.015
    assert knowing.diagnosis is None
