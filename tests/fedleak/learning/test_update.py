"""What an update means: the gradient in it, where one is left, and how far steps reach."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.optimizer import as_sent
from fedleak.learning.task import Task
from fedleak.learning.training import train_locally
from fedleak.learning.update import Meaning, Update, UpdateKind, effective_steps, meaning_of, reach
from fedleak.randomness import generator
from fedleak.tasks import weights_of


def small_task() -> Task:
    torch.manual_seed(0)
    return Task("small", nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3)), (3, 2, 2), 3)


def examples(count: int = 6) -> Batch:
    return Batch(torch.rand(count, 3, 2, 2, generator=generator(1)), torch.arange(count) % 3)


@given(
    st.sampled_from([0.0, 0.01]),
    st.sampled_from([{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.5, "dampening": 0.2}]),
    st.sampled_from(["", "LinearLR"]),
)
def test_one_step_s_delta_is_the_gradient(weight_decay: float, momentum: dict[str, Any], schedule: str) -> None:
    task, batch = small_task(), examples()
    before = weights_of(task.network)
    facts = LocalTraining(batch_size=6, weight_decay=weight_decay, schedule=schedule, **momentum)
    gradient = seen(task, batch, facts)
    true = task.gradients(before, batch.inputs, batch.labels)
    torch.testing.assert_close(gradient.vector(), Update(true, UpdateKind.GRADIENT).vector(), atol=4e-6, rtol=1e-4)
    assert gradient.as_gradient(before.parameters, facts) is gradient
    assert meaning_of(facts) is Meaning.GRADIENT


@pytest.mark.parametrize(
    ("facts", "meaning"),
    [
        ({"gradient_clipping": 0.1}, Meaning.DIRECTION),
        ({"learning_rate": None}, Meaning.DIRECTION),
        ({"epochs": 2}, Meaning.MEAN),
        ({"epochs": None}, Meaning.MEAN),
        ({"batches": 4, "accumulation": 4}, Meaning.MEAN),
        ({"optimizer": "adam"}, Meaning.SIGNS),
        ({"optimizer": "adamw", "weight_decay": 0.1}, Meaning.SIGNS),
    ],
)
def test_what_is_left_of_a_gradient(facts: dict[str, Any], meaning: Meaning) -> None:
    assert meaning_of(LocalTraining(**facts)) is meaning


@pytest.mark.parametrize(
    "way",
    [
        {"gradient_clipping": 0.1},
        {"optimizer": "adam", "weight_decay": 0.3},
        {"optimizer": "adamw", "weight_decay": 0.3},
    ],
)
def test_what_the_optimizer_leaves_is_what_an_attacker_simulates(way: dict[str, Any]) -> None:
    task, batch, facts = small_task(), examples(), LocalTraining(batch_size=6, **way)
    before = weights_of(task.network)
    true = task.gradients(before, batch.inputs, batch.labels)
    simulated = Update(as_sent(true, before.parameters, facts), UpdateKind.GRADIENT).vector()
    assert torch.cosine_similarity(seen(task, batch, facts).vector(), simulated, dim=0) > 0.97


def test_reach_is_how_far_a_constant_gradient_moves_a_weight() -> None:
    assert effective_steps(LocalTraining(batches=3, momentum=0.5)) == pytest.approx(1 + 1.5 + 1.75)
    assert effective_steps(LocalTraining(batches=3, momentum=1.0)) == 6
    assert effective_steps(LocalTraining(batches=3)) == 3
    assert effective_steps(LocalTraining(batches=5, accumulation=2, epochs=2)) == 6
    assert effective_steps(LocalTraining(epochs=None)) is None
    assert reach(LocalTraining(learning_rate=None)) is None
    schedule = {"schedule": "ExponentialLR", "schedule_options": '{"gamma": 0.5}'}
    assert reach(LocalTraining(batches=3, **schedule)) == pytest.approx(0.1 * 1.75)
    assert reach(LocalTraining(batches=3, optimizer="adam", momentum=0.0)) == pytest.approx(0.3)


@given(
    st.integers(1, 7),
    st.sampled_from([0.0, 0.5, 0.9]),
    st.booleans(),
    st.sampled_from([0.0, 0.25]),
    st.sampled_from(["", "CosineAnnealingLR"]),
)
def test_reach_is_torch_s(steps: int, momentum: float, nesterov: bool, dampening: float, schedule: str) -> None:
    nesterov, dampening = nesterov and momentum > 0, 0.0 if nesterov else dampening
    weight = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=momentum, nesterov=nesterov, dampening=dampening)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps) if schedule else None
    for _ in range(steps):
        weight.grad = torch.ones((), dtype=torch.float64)
        optimizer.step()
        if scheduler:
            scheduler.step()
    facts = LocalTraining(batches=steps, momentum=momentum, nesterov=nesterov, dampening=dampening, schedule=schedule)
    assert reach(facts) == pytest.approx(-float(weight.detach()), abs=1e-12)


def test_a_vector_round_trips() -> None:
    update = Update({"a": torch.randn(2, 3), "b": torch.randn(4)}, UpdateKind.DELTA)
    assert all(torch.equal(v, update.tensors[n]) for n, v in update.with_vector(update.vector()).tensors.items())


def seen(task: Task, batch: Batch, facts: LocalTraining) -> Update:
    """The gradient that a server reads from what a client sends."""
    before = weights_of(task.network)
    after = train_locally(task, before, batch, facts, (0,))
    delta = {name: after.parameters[name] - value for name, value in before.parameters.items()}
    return Update(delta, UpdateKind.DELTA).as_gradient(before.parameters, facts)
