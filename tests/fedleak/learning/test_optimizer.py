"""The local optimizer against torch's own, step by step, and what an attacker makes of one of its steps."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.optimizer import SOFTNESS, Optimizer, as_sent, clipped, rates
from fedleak.learning.task import Task
from fedleak.learning.training import batch_order, train_locally
from fedleak.randomness import generator
from fedleak.tasks import weights_of

WAYS: tuple[dict[str, Any], ...] = (
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    {"optimizer": "adam", "weight_decay": 0.1},
    {"optimizer": "adamw", "weight_decay": 0.1, "betas": (0.8, 0.95), "epsilon": 1e-4},
    {"gradient_clipping": 0.3},
    {"schedule": "CosineAnnealingLR"},
    {"schedule": "StepLR", "schedule_options": '{"step_size": 2, "gamma": 0.5}'},
    {"accumulation": 2},
    {"drop_last": True},
    {"proximal": 1.0},
    {"optimizer": "adamw", "accumulation": 2, "proximal": 0.3, "gradient_clipping": 0.1, "schedule": "LinearLR"},
)


def small() -> tuple[Task, Batch]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    return Task("small", network, (3, 2, 2), 3), Batch(torch.rand(7, 3, 2, 2).double(), torch.arange(7) % 3)


def by_torch(task: Task, batch: Batch, facts: LocalTraining) -> dict[str, torch.Tensor]:
    """The same training as people write it with torch."""
    network = copy.deepcopy(task.network)
    start = [value.detach().clone() for value in network.parameters()]
    common: dict[str, Any] = {"lr": facts.learning_rate, "weight_decay": facts.weight_decay}
    sgd = {"momentum": facts.momentum, "nesterov": facts.nesterov, "dampening": facts.dampening}
    adam = {"betas": facts.betas, "eps": facts.epsilon}
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[facts.optimizer]
    optimizer = kind(network.parameters(), **common, **(sgd if facts.optimizer == "sgd" else adam))
    scheduler = {
        "CosineAnnealingLR": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=facts.steps or 0),
        "StepLR": lambda: torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5),
        "LinearLR": lambda: torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=facts.steps or 0),
        "": lambda: None,
    }[facts.schedule]()
    for batches in batch_order(len(batch), facts, generator(1, "order")):
        optimizer.zero_grad()
        for chosen in batches:
            (nn.functional.cross_entropy(network(batch.inputs[chosen]), batch.labels[chosen]) / len(batches)).backward()
        for value, first in zip(network.parameters(), start, strict=True):
            assert value.grad is not None
            value.grad.add_(facts.proximal * (value.detach() - first))
        if facts.gradient_clipping:
            nn.utils.clip_grad_norm_(network.parameters(), facts.gradient_clipping)
        optimizer.step()
        if scheduler:
            scheduler.step()
    return {name: value.detach() for name, value in network.named_parameters()}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: ", ".join(f"{k} {v}" for k, v in way.items()))
def test_it_trains_as_torch_does(way: dict[str, Any]) -> None:
    task, batch = small()
    facts = LocalTraining(batch_size=2, batches=3 if way.get("drop_last") else 4, epochs=3, **way)
    after = train_locally(task, weights_of(task.network), batch, facts, (1,))
    for name, value in by_torch(task, batch, facts).items():
        torch.testing.assert_close(after.parameters[name], value, atol=1e-12, rtol=1e-9)


def test_a_step_can_be_differentiated_where_gradients_are_zero() -> None:
    gradient = torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64, requires_grad=True)
    for facts in (LocalTraining(optimizer="adam"), LocalTraining(gradient_clipping=1.0), LocalTraining(momentum=0.5)):
        optimizer = Optimizer(facts, SOFTNESS)
        first = optimizer.change({"w": gradient}, {"w": torch.zeros(3)}, None, 1.0)
        second = optimizer.change({"w": gradient * 2}, {"w": torch.zeros(3)}, first, 1.0)
        (slope,) = torch.autograd.grad((first["w"] + second["w"]).square().sum(), gradient)
        assert slope.isfinite().all()
        assert slope[1:].all()


def test_one_step_of_adam_is_a_soft_sign_and_adamw_s_decay_is_beside_it() -> None:
    gradients = {"w": torch.tensor([3.0, -3.0, 0.0, 1e-6])}
    at = {"w": torch.ones(4)}
    sent = as_sent(gradients, at, LocalTraining(optimizer="adamw", weight_decay=0.5))["w"]
    assert sent[0] > 0.9
    assert sent[1] < -0.9
    assert sent[2] == 0
    assert 0 < sent[3] < 0.1
    assert torch.equal(as_sent(gradients, at, LocalTraining(weight_decay=0.5))["w"], gradients["w"])


def test_clipping_leaves_what_is_short_alone() -> None:
    gradients = {"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}
    assert clipped(gradients, 0.0) is gradients
    assert clipped(gradients, 6.0)["a"] == 3.0
    assert torch.stack([one.square().sum() for one in clipped(gradients, 1.0).values()]).sum().sqrt() < 1.0001


def test_every_schedule_that_needs_numbers_alone_is_torch_s_own() -> None:
    facts = LocalTraining(schedule="OneCycleLR", schedule_options='{"max_lr": 0.3}')
    weight = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler, expected = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=9, cycle_momentum=False), []
    for _ in range(9):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(expected) < 9 else None
    assert list(rates(facts, 9)) == pytest.approx(expected)
    unknown = LocalTraining(learning_rate=None, schedule="ExponentialLR", schedule_options='{"gamma": 0.5}')
    assert list(rates(unknown, 3)) == [1.0, 0.5, 0.25]


@pytest.mark.parametrize(
    ("schedule", "options", "words"),
    [
        (
            "CosineAnealingLR",
            "{}",
            "no scheduler of local steps called 'CosineAnealingLR'; did you mean 'CosineAnnealingLR'",
        ),
        ("ReduceLROnPlateau", "{}", "no scheduler of local steps called 'ReduceLROnPlateau'"),
        ("StepLR", "{}", "StepLR: .* missing .*'step_size'"),
        ("StepLR", '{"step": 3}', "StepLR has no option called 'step'; did you mean 'step_size'"),
        ("CosineAnnealingWarmRestarts", '{"T_0": 0}', "CosineAnnealingWarmRestarts: "),
        ("CosineAnnealingLR", '{"T_max": 0}', "CosineAnnealingLR: .*zero"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_in_a_sentence(schedule: str, options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        list(rates(LocalTraining(schedule=schedule, schedule_options=options), 4))
