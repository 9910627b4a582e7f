"""The rank of a fully connected layer's gradient is at most the number of examples."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.profile.layers import layer_of, layers_of, numerical_rank, rank_limit
from fedleak.tasks import weights_of


def task(width: int = 12) -> Task:
    torch.manual_seed(0)
    return Task("tiny", nn.Sequential(nn.Flatten(), nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 9)), (1, 4, 4), 9)


def observed(examples: int, **facts) -> Observation:
    """What a server sees of a client that trained on so many random examples."""
    tiny, dice = task(), torch.Generator().manual_seed(examples)
    batch = Batch(torch.rand(examples, 1, 4, 4, generator=dice), torch.arange(examples) % 9)
    training = LocalTraining(**{"batch_size": examples, **facts})
    before = weights_of(tiny.network)
    after = train_locally(tiny, before, batch, training, ("test",))
    delta = {name: after.parameters[name] - value for name, value in before.parameters.items()}
    return Observation(
        task=tiny, before=before, update=Update(delta, UpdateKind.DELTA), num_examples=examples, training=training
    )


@pytest.mark.parametrize("examples", [1, 2, 3, 5])
def test_the_rank_is_at_most_the_number_of_examples(examples):
    layers = layers_of(observed(examples))
    assert [layer.name for layer in layers] == ["1", "3"]
    assert all(layer.rank is not None and 1 <= layer.rank <= examples for layer in layers)


def test_several_steps_add_their_examples():
    observation = observed(6, batch_size=2, batches=3)
    assert rank_limit(observation) == 6
    assert all(layer.rank is not None and layer.rank <= 6 for layer in layers_of(observation))


def test_one_example_and_noise_fill_the_rank():
    observation = observed(1)
    noise = torch.Generator().manual_seed(0)
    noisy = {name: value + 0.01 * torch.randn(value.shape, generator=noise)
             for name, value in observation.update.tensors.items()}  # fmt: skip
    spoilt = Observation(
        task=observation.task, before=observation.before, update=Update(noisy, UpdateKind.DELTA), num_examples=1
    )
    assert [(layer.rank, layer.full) for layer in layers_of(spoilt)] == [(12, 12), (9, 9)]


@given(rank=st.integers(0, 5), seed=st.integers(0, 99))
def test_the_numerical_rank_sees_through_rounding(rank, seed):
    dice = torch.Generator().manual_seed(seed)
    matrix = torch.randn(30, rank, generator=dice).double() @ torch.randn(rank, 20, generator=dice).double()
    rounded = (matrix + 1e-5 * (2 * torch.rand(30, 20, generator=dice) - 1)).float()
    assert numerical_rank(rounded, 1e-5) == rank


def test_shares_of_energy_add_up_to_one():
    assert sum(layer.energy for layer in layers_of(observed(3))) == pytest.approx(1.0)


def test_an_update_that_is_zero_has_no_shares():
    observation = observed(1, learning_rate=0.0)
    assert all(layer.energy != layer.energy for layer in layers_of(observation))


def test_nobody_can_tell_the_limit_where_weight_decay_adds_the_weights():
    assert rank_limit(observed(4, batch_size=1, batches=4, weight_decay=0.1)) is None
    assert rank_limit(observed(4, weight_decay=0.1)) == 4


@pytest.mark.parametrize(
    "facts",
    [
        {"weight_decay": None},
        {"weight_decay": 0.1, "learning_rate": None},
        {"weight_decay": 0.1, "batches": None},
        {"learning_rate": None},
        {"batch_size": None},
    ],
)
def test_what_is_unknown_leaves_no_limit(facts):
    observation = observed(4)
    guess = replace(observation, training=replace(observation.training, **facts))
    assert rank_limit(observation) == 4
    assert rank_limit(guess) is None


def test_a_gradient_needs_no_learning_rate():
    observation = observed(4)
    update = Update(observation.gradient(), UpdateKind.GRADIENT)
    blind = replace(observation, update=update, training=replace(observation.training, learning_rate=None))
    assert rank_limit(blind) == 4


def test_a_parameter_belongs_to_its_layer():
    assert layer_of("features.0.weight") == "features.0"
    assert layer_of("scale") == "scale"


@pytest.mark.parametrize("rounding", [0.0, 1e-5])
def test_a_wide_matrix_has_the_rank_that_its_singular_values_say(rounding: float) -> None:
    dice = torch.Generator().manual_seed(0)
    matrix = torch.randn(520, 7, generator=dice) @ torch.randn(7, 530, generator=dice)
    noisy = matrix + rounding * torch.randn(520, 530, generator=dice)
    assert numerical_rank(noisy, 2 * rounding) == 7 == numerical_rank(noisy.T, 2 * rounding)
