"""Local training against torch's own optimiser, and the conversion of what it sends."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedleak.errors import ConfigError, NonFiniteError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import (
    LocalTraining,
    batch_order,
    require_values_to_normalize,
    stabilizers,
    train_locally,
)
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator
from fedleak.tasks import weights_of

DROPPED = LocalTraining(batch_size=7, drop_last=True)


def small_task(*extra: nn.Module) -> Task:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), *extra, nn.Tanh(), nn.Linear(8, 3))
    return Task("small", network, (3, 2, 2), 3)


def examples(count: int = 6) -> Batch:
    return Batch(torch.rand(count, 3, 2, 2, generator=generator(1)), torch.arange(count) % 3)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([0.0, 0.9]), st.sampled_from([0.0, 0.01]), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_it_is_torch_s_sgd(momentum: float, weight_decay: float, epochs: int, size: int, normalized: bool) -> None:
    task = small_task(nn.BatchNorm1d(8)) if normalized and size > 1 else small_task()
    batch, count = examples(8), 8 - 8 % size
    facts = LocalTraining(
        batch_size=size, batches=count // size, epochs=epochs, momentum=momentum, weight_decay=weight_decay
    )
    private = Batch(batch.inputs[:count].double(), batch.labels[:count])
    task.network.double()
    after = train_locally(task, weights_of(task.network), private, facts, (3,))

    network = task.network
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=momentum, weight_decay=weight_decay)
    for (chosen,) in batch_order(count, facts, generator(3, "order")):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(private.inputs[chosen]), private.labels[chosen]).backward()
        optimiser.step()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], value, atol=1e-12, rtol=1e-9)


def test_training_leaves_the_weights_it_starts_from_alone() -> None:
    task = small_task(nn.BatchNorm1d(8))
    before = weights_of(task.network)
    held = before.clone()
    train_locally(task, before, examples(), LocalTraining(batch_size=3, batches=2), (0,))
    assert all(torch.equal(value, held.state_dict()[name]) for name, value in before.state_dict().items())


def test_dropout_follows_the_client_s_dice_and_leaves_the_global_ones_alone() -> None:
    task = small_task(nn.Dropout(0.5))
    before = weights_of(task.network)
    state = torch.random.get_rng_state()
    one, again, other = (
        train_locally(task, before, examples(), LocalTraining(batch_size=6), dice) for dice in [(1,), (1,), (2,)]
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.parameters["1.weight"], again.parameters["1.weight"])
    assert not torch.equal(one.parameters["1.weight"], other.parameters["1.weight"])


def test_a_model_that_overflows_is_one_sentence() -> None:
    task = small_task()
    before = weights_of(task.network)
    before.parameters["1.weight"].fill_(float("nan"))
    with pytest.raises(NonFiniteError, match="not finite in local step 1 of 1; lower"):
        train_locally(task, before, examples(), LocalTraining(batch_size=6), (0,))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 3))
def test_every_epoch_uses_every_example_once(count: int, size: int, epochs: int) -> None:
    order = list(batch_order(count, LocalTraining(batch_size=size, epochs=epochs), generator(0)))
    per_epoch = len(order) // epochs
    for epoch in range(epochs):
        seen = torch.cat([batch for (batch,) in order[epoch * per_epoch : (epoch + 1) * per_epoch]])
        assert sorted(seen.tolist()) == list(range(count))


def test_the_order_of_endless_epochs_is_drawn_as_it_is_used() -> None:
    order = batch_order(4, LocalTraining(batch_size=3, epochs=10**12), generator(0))
    assert [[len(batch) for batch in next(order)] for _ in range(4)] == [[3], [1], [3], [1]]
    whole = LocalTraining(batch_size=3, epochs=10**12, drop_last=True, accumulation=2)
    order = batch_order(17, whole, generator(0))
    assert [[len(batch) for batch in next(order)] for _ in range(4)] == [[3, 3], [3, 3], [3], [3, 3]]


def test_a_share_without_a_whole_batch_is_refused() -> None:
    with pytest.raises(ConfigError, match="drop_last leaves no batch: a client has 6 examples for batch_size = 7"):
        train_locally(small_task(), weights_of(small_task().network), examples(), DROPPED, (0,))


def test_what_is_not_finite_is_told_with_the_number_of_all_steps() -> None:
    task = small_task()
    before = weights_of(task.network)
    before.parameters["1.weight"].fill_(float("nan"))
    with pytest.raises(NonFiniteError, match="in local step 1 of 6; lower"):
        train_locally(task, before, examples(), LocalTraining(batch_size=4, epochs=3), (0,))


def test_unknown_facts() -> None:
    facts = LocalTraining(batch_size=4, batches=2, epochs=3)
    hidden = facts.hiding(("epochs", "mode"))
    assert facts.steps == 6
    assert hidden.steps is None
    assert hidden.unknown() == ("epochs", "mode")
    assert hidden.known_or(facts) == facts


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_several_small_steps_imply_a_gradient_of_the_right_length(momentum: float) -> None:
    task, batch = small_task(), examples()
    before = weights_of(task.network)
    facts = LocalTraining(batch_size=6, epochs=10, learning_rate=1e-3, momentum=momentum, weight_decay=0.01)
    after = train_locally(task, before, batch, facts, (0,))
    delta = Update({n: after.parameters[n] - v for n, v in before.parameters.items()}, UpdateKind.DELTA)
    true = Update(task.gradients(before, batch.inputs, batch.labels), UpdateKind.GRADIENT).vector()
    implied = delta.as_gradient(before.parameters, facts).vector()
    assert (implied - true).norm() < 0.05 * true.norm()


@pytest.mark.parametrize("unknown", ["learning_rate", "epochs"])
def test_an_update_of_unknown_length_keeps_its_direction(unknown: str) -> None:
    task, batch = small_task(), examples()
    before = weights_of(task.network)
    facts = LocalTraining(batch_size=6, learning_rate=0.01, weight_decay=0.01)
    after = train_locally(task, before, batch, facts, (0,))
    delta = Update({n: after.parameters[n] - v for n, v in before.parameters.items()}, UpdateKind.DELTA)
    implied = delta.as_gradient(before.parameters, facts.hiding((unknown,))).vector()
    true = Update(task.gradients(before, batch.inputs, batch.labels), UpdateKind.GRADIENT).vector()
    assert torch.cosine_similarity(implied, true, dim=0) > 0.99


@pytest.mark.parametrize(("count", "size"), [(4, 3), (1, 1), (3, 1), (1, 4)])
def test_a_batch_of_one_that_batch_norm_cannot_normalize_is_refused(count: int, size: int) -> None:
    task = small_task(nn.BatchNorm1d(8))
    few = examples()[torch.arange(count)]
    training = LocalTraining(batch_size=size, batches=-(-count // size))
    with pytest.raises(ConfigError, match=f"batch_size = {size} makes one of {count} examples; .*'group-norm'"):
        train_locally(task, weights_of(task.network), few, training, (0,))
    train_locally(task, weights_of(task.network), few, replace(training, mode="eval"), (0,))


def test_a_batch_of_one_is_enough_where_each_channel_has_several_values() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    require_values_to_normalize(Task("wide", network, (1, 2, 2), 3), 1, LocalTraining())


def test_what_helps_a_model_that_runs_away_depends_on_what_it_is_made_of() -> None:
    assert stabilizers(small_task(nn.BatchNorm1d(8)), "r").startswith("put 'group-norm' first in the chain")
    assert stabilizers(small_task(), "r") == "lower r or check the model and its checkpoint"
