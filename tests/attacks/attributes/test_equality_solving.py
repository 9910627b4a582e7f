"""Equality solving: exact where equations determine what is hidden, the nearest solution where they do not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fedleak.contracts.attack import attacks
from fedleak.data.splits import load
from fedleak.learning.batch import Batch
from fedleak.learning.loss import SquaredError
from fedleak.learning.table import Column, Table
from fedleak.learning.task import Task
from fedleak.randomness import generator, seeded
from fedleak.tasks import task_of

NUMBERS = tuple(f"number-{place}" for place in range(8))
COLUMNS = (*map(Column, NUMBERS), Column("color", values=("red", "green", "blue")))
TABLE = Table(columns=COLUMNS, classes=tuple("abcdef"))
BLIND = 1e-10
"""The largest error that is none."""


def regression(classes: int = 6, *layers: nn.Module) -> Task:
    with seeded("equality solving", classes):
        network = nn.Sequential(nn.Flatten(), *layers, nn.Linear(TABLE.shape[0], classes))
    return Task("tiny-linear", network, TABLE.shape, classes, given=TABLE)


def rows(count: int = 40) -> Batch:
    rng = generator("rows to solve for")
    inputs = TABLE.settled(2 * torch.rand(count, *TABLE.shape, generator=rng) - 1)
    return Batch(inputs, torch.zeros(count, dtype=torch.int64), TABLE)


def solved(view):
    return attacks.build("equality-solving", {}).run(view, generator(0))


def error(made, batch: Batch, hidden: tuple[str, ...]) -> float:
    assert made.columns is not None, made.failure
    return float((made.columns - batch.inputs[:, TABLE.mask(hidden)].double()).abs().max())


@pytest.mark.parametrize("hidden", [NUMBERS[:1], NUMBERS[2:7], (*NUMBERS[:3], "color")])
def test_as_many_equations_as_unknown_values_are_solved(answered, hidden) -> None:
    made = solved(answered(regression(), rows(), hidden))
    assert error(made, rows(), hidden) < BLIND
    assert "so that they have one solution" in made.note


def test_of_two_classes_one_answer_tells_a_category_and_no_more(answered) -> None:
    task, clients = task_of("diabetes-linear"), load("diabetes-linear").clients[torch.arange(50)]
    made = solved(answered(task, clients, ("sex",)))
    assert torch.allclose(made.columns, clients.inputs[:, task.space.mask(("sex",))].double(), atol=BLIND)
    assert "nearest to the public mean" in solved(answered(task, clients, ("sex", "age"))).note


def test_of_fewer_it_is_the_solution_of_numpy_that_is_nearest_to_the_public_mean(answered) -> None:
    task, batch, hidden = regression(3), rows(), NUMBERS[:5]
    view = answered(task, batch, hidden, auxiliary=rows(9))
    made, mask = solved(view), TABLE.mask(hidden)
    layer = task.network[-1]
    slopes, bias = (value.detach().double().numpy() for value in (layer.weight, layer.bias))
    logs, known = view.predictions.log().numpy(), batch.inputs.double().numpy()
    sides = logs - known[:, ~mask] @ slopes[:, ~mask].T - bias
    equations, mean = slopes[1:, mask] - slopes[0, mask], rows(9).inputs[:, mask].double().mean(0).numpy()
    for i in range(len(batch)):
        wanted = mean + np.linalg.lstsq(equations, sides[i, 1:] - sides[i, 0] - equations @ mean, rcond=None)[0]
        np.testing.assert_allclose(made.columns[i].numpy(), wanted.clip(-1, 1), atol=1e-7)


def test_rounded_answers_are_solved_no_more(answered) -> None:
    hidden = NUMBERS[:5]
    made = solved(answered(regression(), rows(), hidden, lambda said: said.round(decimals=3)))
    assert 1e-4 < error(made, rows(), hidden) < 1


def test_what_was_refused_or_held_back_is_guessed_by_frequency(answered) -> None:
    def top(said: torch.Tensor) -> torch.Tensor:
        """The surest class alone of all rows, and nothing of the last ones."""
        said = said.where(said == said.amax(1, keepdim=True), 0.0)
        said[30:] = torch.nan
        return said

    made = solved(answered(regression(), rows(), NUMBERS[:2], top, auxiliary=rows(9)))
    mean = rows(9).inputs[:, TABLE.mask(NUMBERS[:2])].mean(0).double()
    assert torch.equal(made.columns, mean.expand(40, -1))


def test_a_class_of_which_nothing_is_answered_is_one_equation_less(answered) -> None:
    def without_two(said: torch.Tensor) -> torch.Tensor:
        said = said.clone()
        said[:20, :2] = 0.0
        return said

    made = solved(answered(regression(), rows(), NUMBERS[:3], without_two))
    assert error(made, rows(), NUMBERS[:3]) < BLIND


def test_a_regression_in_two_layers_is_one(answered) -> None:
    view = answered(regression(6, nn.Linear(TABLE.shape[0], TABLE.shape[0])), rows(), NUMBERS[:4])
    assert error(solved(view), rows(), NUMBERS[:4]) < BLIND


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (regression(6, nn.Tanh()), "is no logistic regression"),
        (replace(regression(), criterion=SquaredError()), "no softmax of its scores"),
    ],
)
def test_another_model_is_refused_in_a_sentence(answered, task, reason) -> None:
    assert reason in (solved(answered(task, rows(), NUMBERS[:1])).failure or "")


def test_without_answers_about_whole_rows_it_says_so(answered) -> None:
    view = replace(answered(regression(), rows(), NUMBERS[:1]), predictions=None)
    assert "no answers about these rows" in (solved(view).failure or "")
