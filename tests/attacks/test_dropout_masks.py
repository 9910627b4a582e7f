"""Dropout masks that are given do what dropout does, and networks whose dice cannot be seen are refused."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fedleak.attacks.parts.dropout_masks import PREFIX, Masked, MaskedNetwork, masked_network
from fedleak.attacks.parts.gradient_match import Dummy
from fedleak.attacks.parts.objective import by_autograd, by_function
from fedleak.attacks.parts.public_model import PublicModel
from fedleak.randomness import generator, global_dice
from fedleak.task import Task
from fedleak.training import LocalTraining


def task_of(*layers: nn.Module) -> Task:
    with global_dice("dropout task"):
        return Task("tiny-dropout", nn.Sequential(*layers), (1, 6, 6), 4)


@pytest.fixture
def dropout_task() -> Task:
    return task_of(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.5), nn.Flatten(), nn.Dropout(0.25), nn.Linear(144, 4)
    )


def test_a_mask_scales_what_it_keeps():
    layer = Masked(0.5, False)
    layer.mask = torch.tensor([[1.0, 0.0]])
    assert layer(torch.tensor([[3.0, 3.0]])).tolist() == [[6.0, 0.0]]


def test_masks_have_the_shape_of_what_is_dropped_and_its_rate(dropout_task, observe, batch_of):
    network = masked_network(observe(dropout_task, batch_of(dropout_task, 3)), generator(0))
    assert network.shapes == {"2": (4, 1, 1), "4": (144,)}
    masks = network.masks(500, generator(1))
    assert masks[PREFIX + "2"].shape == (500, 4, 1, 1)
    assert masks[PREFIX + "4"].mean().item() == pytest.approx(0.75, abs=0.01)
    assert set(masks[PREFIX + "4"].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("gradient", [by_autograd, by_function])
def test_under_the_client_s_masks_the_gradient_is_the_client_s(gradient, dropout_task, observe, batch_of):
    batch = batch_of(dropout_task, 1)
    observation = observe(dropout_task, batch)
    network = masked_network(observation, generator(0))
    assert isinstance(network, MaskedNetwork)
    with global_dice("test", "dropout"):  # the dice of the client in `observe`
        masks = {
            PREFIX + "2": F.dropout2d(torch.ones(1, 4, 6, 6), 0.5)[..., :1, :1] * 0.5,
            PREFIX + "4": F.dropout(torch.ones(1, 144), 0.25) * 0.75,
        }
    model = PublicModel.of(replace(observation, task=network.task), torch.float32)
    assert model.stateless
    simulated = network.simulate(model, Dummy(batch.inputs, batch.labels, masks), gradient)
    for one, other in zip(simulated, observation.gradient().values(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_prior_is_zero_at_the_expected_mean(dropout_task, observe, batch_of):
    network = masked_network(observe(dropout_task, batch_of(dropout_task, 1)), generator(0))
    masks = {PREFIX + "2": torch.full((1, 4, 1, 1), 0.5), PREFIX + "4": torch.full((1, 144), 0.75)}
    inputs, labels = torch.zeros(1, 1, 6, 6), torch.tensor([0])
    assert network.unlikely(Dummy(inputs, labels, masks)).item() == pytest.approx(0.0, abs=1e-6)
    masks[PREFIX + "4"] = torch.ones(1, 144)
    assert network.unlikely(Dummy(inputs, labels, masks)).item() == pytest.approx(0.25)


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
    assert words in masked_network(observe(task, batch_of(task, 1)), generator(0))


def test_alpha_dropout_is_dice_elsewhere(observe, batch_of):
    task = task_of(nn.Flatten(), nn.Dropout(0.5), nn.AlphaDropout(0.5), nn.Linear(36, 4))
    assert "elsewhere" in masked_network(observe(task, batch_of(task, 1)), generator(0))


def test_where_nothing_is_dropped_there_is_no_mask(dropout_task, smooth_task, observe, batch_of):
    batch = batch_of(dropout_task, 1)
    assert "no dropout layer" in masked_network(observe(smooth_task, batch), generator(0))
    evaluated = observe(dropout_task, batch, LocalTraining(batch_size=1, mode="eval"))
    assert "eval mode" in masked_network(evaluated, generator(0))


def test_the_client_s_network_is_left_alone(dropout_task, observe, batch_of):
    masked_network(observe(dropout_task, batch_of(dropout_task, 1)), generator(0))
    assert isinstance(dropout_task.network[2], nn.Dropout2d)
