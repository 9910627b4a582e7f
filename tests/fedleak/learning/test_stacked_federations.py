"""Stacked federations: each is what federated averaging alone makes, and depends on nothing beside it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.task import Penalty, Task
from fedleak.learning.training import train_locally
from fedleak.learning.weights import Weights
from fedleak.randomness import generator

SHAPE = (1, 4, 4)
WHOLE = LocalTraining(batch_size=5, batches=None, epochs=3, learning_rate=0.1, momentum=0.9)
"""A batch is the whole share, so that there is no order in which a client could see it."""


def task(*layers: nn.Module) -> Task:
    network = nn.Sequential(*(layers or (nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 3))))
    return Task("tiny", network, SHAPE, 3)


def records(count: int = 40) -> Batch:
    rng = generator("records")
    return Batch(torch.rand(count, *SHAPE, generator=rng), torch.randint(3, (count,), generator=rng))


def drawn(of: Task | None = None, training: LocalTraining = WHOLE, **changed) -> StackedFederations:
    asked = {"federations": 4, "clients": 2, "examples": 10, "rounds": 2, **changed}
    return StackedFederations.drawn(of or task(), records(), training, **asked)


def alone(asked: StackedFederations, place: int) -> dict[str, torch.Tensor]:
    """The same federation by what clients really train with, from where the stack began."""
    start = replace(asked, rounds=0).trained()
    weights = Weights({name: value[place] for name, value in start.items()}, {})
    training = replace(asked.training, batches=-(-asked.shares.shape[2] // asked.training.batch_size))
    for _ in range(asked.rounds):
        clients = [train_locally(asked.task, weights, asked.records[own], training, ()) for own in asked.shares[place]]
        names = weights.parameters
        weights = Weights({name: torch.stack([one.parameters[name] for one in clients]).mean(0) for name in names}, {})
    return weights.parameters


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"nesterov": True, "weight_decay": 0.1},
        {"gradient_clipping": 0.05},
        {"proximal": 0.5},
        {"proximal": 0.5, "gradient_clipping": 0.05},
        {"optimizer": "adam", "momentum": 0.0},
        {"schedule": "CosineAnnealingLR"},
    ],
)
def test_each_is_federated_averaging_by_what_clients_train_with(changed) -> None:
    asked = drawn(training=replace(WHOLE, **changed))
    stacked = asked.trained()
    for place in range(4):
        for name, value in alone(asked, place).items():
            assert torch.allclose(stacked[name][place], value, atol=1e-5), name


def test_so_it_is_with_convolutions() -> None:
    asked = drawn(task(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)))
    stacked = asked.trained()
    for name, value in alone(asked, 1).items():
        assert torch.allclose(stacked[name][1], value, atol=1e-5), name


def test_they_begin_apart_and_the_same_question_has_the_same_answer() -> None:
    once, again = drawn().trained(), drawn().trained()
    assert all(torch.equal(value, again[name]) for name, value in once.items())
    start = replace(drawn(), rounds=0).trained()
    assert all(not torch.equal(value[0], value[1]) for value in start.values())


def test_batches_of_an_epoch_are_the_share_in_some_order() -> None:
    asked = drawn(training=replace(WHOLE, batch_size=2, epochs=2))
    shares = asked.shares.flatten(0, 1)
    steps = list(asked._batches(shares, ("words",)))
    assert [step.shape[1] for step in steps] == [2, 2, 1] * 2
    for epoch in (steps[:3], steps[3:]):
        assert torch.equal(torch.cat(epoch, 1).sort(1).values, shares.sort(1).values)
    assert not torch.equal(torch.cat(steps[:3], 1), torch.cat(steps[3:], 1))


def test_in_place_of_poisson_samples_each_step_draws_as_many_as_are_expected_anew() -> None:
    training = replace(WHOLE, batch_size=2, batches=4, epochs=2, sampling_rate=0.4)
    asked = drawn(training=training)
    shares = asked.shares.flatten(0, 1)
    steps = list(asked._batches(shares, ("words",)))
    assert [step.shape[1] for step in steps] == [2] * training.passes
    assert all((step[:, :, None] == shares[:, None]).any(2).all() for step in steps)
    assert all(step.sort(1).values.diff(dim=1).min() > 0 for step in steps)
    assert len({tuple(step[0].sort().values.tolist()) for step in steps}) > 3


def test_each_trains_on_so_many_records_and_on_none_twice() -> None:
    asked = drawn()
    assert torch.equal(asked.trains_on.sum(1), torch.full((4,), 10))
    assert asked.shares.flatten(1).sort(1).values.diff(dim=1).min() > 0


def test_whoever_asks_something_else_has_another_address() -> None:
    asked = drawn()
    others = [drawn(rounds=3), drawn(federations=5), drawn(examples=12), drawn(training=replace(WHOLE, epochs=1)),
              drawn(task(nn.Flatten(), nn.Linear(16, 3))), replace(asked, records=records(41))]  # fmt: skip
    assert drawn().address == asked.address
    assert len({asked.address, *(one.address for one in others)}) == 7


def test_dropout_draws_for_each_model() -> None:
    """Of an input that was dropped in all examples of the only step no weight moves."""
    asked = drawn(task(nn.Flatten(), nn.Dropout(0.9), nn.Linear(16, 3)), replace(WHOLE, epochs=1), clients=1, rounds=1)
    same = replace(asked, shares=asked.shares[:1, :, :5].expand(4, -1, -1))
    moved = same.trained()["2.weight"] - replace(same, rounds=0).trained()["2.weight"]
    still = (moved == 0).all(1)
    assert still.any()
    assert not torch.equal(still[0], still[1])


def test_what_cannot_be_stacked_is_refused_with_a_reason() -> None:
    frozen = task(nn.Flatten(), nn.Linear(16, 3))
    frozen.network[1].weight.requires_grad_(False)
    cases = [
        (drawn(task(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 3))), "running statistics"),
        (drawn(frozen), "'1.weight' is frozen"),
        (drawn(training=replace(WHOLE, augmentation=('{"name": "RandomHorizontalFlip"}',))), "augment"),
        (drawn(training=replace(WHOLE, accumulation=2)), "accumulate"),
        (drawn(replace(task(), penalties=(Penalty("1", torch.sum),))), "penalty"),
    ]
    for asked, reason in cases:
        with pytest.raises(NotApplicable, match=reason):
            asked.trained()


def test_more_than_memory_is_said_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedleak.learning.stacked_federations.MOST", 1000)
    with pytest.raises(NotApplicable, match="lower 'shadows' to 2 or fewer"):
        drawn().trained()


def test_rounds_go_on_from_where_others_ended() -> None:
    first = drawn()
    went_on = first.continued(first.trained(), 3)
    stacked = went_on.trained()
    assert went_on.address != first.address
    assert torch.equal(went_on.shares, first.shares)
    for place in range(4):
        for name, value in alone(went_on, place).items():
            assert torch.allclose(stacked[name][place], value, atol=1e-5), name


@pytest.mark.slow
def test_many_go_on_from_one_model() -> None:
    one = {name: value[:1] for name, value in drawn().trained().items()}
    apart = {name: value.repeat_interleave(4, 0) for name, value in one.items()}
    together = replace(drawn(), start=one)
    stacked = together.trained()
    assert all(torch.equal(value, replace(together, start=apart).trained()[name]) for name, value in stacked.items())
    assert all(not torch.equal(value[0], value[1]) for value in stacked.values())
    two = {name: value[:2] for name, value in drawn().trained().items()}
    halves = {name: value.repeat_interleave(2, 0) for name, value in two.items()}
    of_two = replace(drawn(), start=two).trained()
    assert all(torch.equal(value, of_two[name]) for name, value in replace(drawn(), start=halves).trained().items())
    other = {name: value + 1 for name, value in one.items()}
    assert len({each.address for each in (drawn(), together, replace(together, start=other))}) == 3


def test_what_cannot_be_drawn_anew_can_go_on() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(16))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs.flatten(1) * self.scale

    fixed = task(Own(), nn.Linear(16, 3))
    with pytest.raises(NotApplicable, match="cannot be drawn anew"):
        drawn(fixed).trained()
    start = {name: value[None] for name, value in Weights.of(fixed.network).parameters.items()}
    assert replace(drawn(fixed), start=start).trained()["0.scale"].shape == (4, 16)
