"""Columns: who was asked about hidden values, what is true of them, and what is guessed blindly."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.data.splits import load
from fedleak.evaluation.challenge import Question
from fedleak.evaluation.views import without
from fedleak.goals.answer import Answer
from fedleak.goals.columns import Columns
from fedleak.goals.imputer import frequencies, imputed
from fedleak.randomness import generator
from fedleak.tasks import initial_weights, task_of

GOAL, HIDDEN = Columns(), ("sex",)
ACCURACY, OF_OTHERS = (metrics.build(name, {}) for name in ("column-accuracy", "column-accuracy-of-others"))
CLIENTS, PUBLIC = load("diabetes-mlp").clients, load("diabetes-mlp").auxiliary
QUESTION = Question(
    members=CLIENTS[torch.arange(30)],
    other_clients=CLIENTS[torch.arange(0)],
    non_members=CLIENTS[torch.arange(30, 80)],
    seed_key=("columns",),
)
CHALLENGE = QUESTION.challenge()
ANSWER = Answer(truth=QUESTION.members, challenge=CHALLENGE, hidden=HIDDEN)
TRUTH = CHALLENGE.candidates.inputs[:, CHALLENGE.candidates.space.mask(HIDDEN)]


@pytest.fixture(scope="module")
def view() -> Released:
    rows = without(CHALLENGE.candidates, HIDDEN)
    task = task_of("diabetes-mlp")
    return Released(task=task, weights=initial_weights(task.name, 0), auxiliary=PUBLIC, rows=rows, hidden=HIDDEN)


def test_what_is_hidden_is_nowhere_in_the_view(view: Released) -> None:
    mask = view.rows.space.mask(HIDDEN)
    assert view.rows.inputs[:, mask].isnan().all()
    assert torch.equal(view.rows.inputs[:, ~mask], CHALLENGE.candidates.inputs[:, ~mask])
    assert view.candidates is None


def test_members_and_others_are_judged_apart() -> None:
    guess = -TRUTH.clone()
    guess[CHALLENGE.members] = TRUTH[CHALLENGE.members]
    own, others = (GOAL.measure(one, Reconstruction(columns=guess), ANSWER) for one in (ACCURACY, OF_OTHERS))
    assert own.per_sample == (1.0,) * 30
    assert others.per_sample == (0.0,) * 50


def test_what_an_attack_does_not_say_it_guesses_evenly() -> None:
    silent = Reconstruction(columns=torch.full_like(TRUTH, torch.nan))
    assert GOAL.measure(ACCURACY, silent, ANSWER).mean == 0.5


def test_a_guess_of_other_rows_is_told_so() -> None:
    measured = GOAL.measure(ACCURACY, Reconstruction(columns=TRUTH[:3]), ANSWER)
    assert measured.reason == "the attack guesses (3, 2) values of (80, 2)"


def test_a_metric_of_categories_does_not_fit_a_number() -> None:
    measured = GOAL.measure(ACCURACY, Reconstruction(columns=TRUTH[:, :1]), replace(ANSWER, hidden=("age",)))
    assert (measured.reason, measured.fits) == ("column-accuracy cannot judge column age", False)


def test_the_prior_is_how_frequent_a_value_is_in_public(view: Released) -> None:
    own = GOAL.prior(view, generator(0))
    assert own.shape == TRUTH.shape
    assert torch.allclose((own[0] + 1) / 2, (PUBLIC.inputs[:, view.rows.space.mask(HIDDEN)] > 0).float().mean(0))
    assert torch.equal(GOAL.prior(replace(view, auxiliary=None), generator(0)), torch.zeros_like(TRUTH))


def test_who_has_no_access_imputes_and_is_better_than_frequency(view: Released) -> None:
    imputer = GOAL.no_access(view, generator(0))
    assert torch.allclose(imputer.sum(1), torch.zeros(len(imputer)), atol=1e-5)  # two shares that make one
    own, prior = (
        GOAL.measure(metrics.build("column-auc", {}), Reconstruction(columns=guess), ANSWER).mean
        for guess in (imputer, GOAL.prior(view, generator(0)))
    )
    assert prior == 0.5
    assert own > 0.6
    assert GOAL.no_access(replace(view, auxiliary=None), generator(0)) is None


def test_nobody_is_asked_about_rows_that_are_not_there(view: Released) -> None:
    assert GOAL.prior(replace(view, rows=None), generator(0)) is None
    assert GOAL.no_access(replace(view, rows=None), generator(0)) is None


def test_an_imputer_does_not_see_what_is_hidden(view: Released) -> None:
    whole = imputed(PUBLIC, CHALLENGE.candidates, HIDDEN)
    assert torch.equal(whole, imputed(PUBLIC, view.rows, HIDDEN))


def test_a_number_is_imputed_too(view: Released) -> None:
    rows = without(CHALLENGE.candidates, ("blood-pressure", "sex"))
    made = imputed(PUBLIC, rows, ("blood-pressure", "sex"))
    true = CHALLENGE.candidates.inputs[:, rows.space.mask(("blood-pressure", "sex"))]
    place = next(
        part for column, part in rows.space.within(("blood-pressure", "sex")) if column.name == "blood-pressure"
    )
    error = (made[:, place] - true[:, place]).square().mean()
    usual = (frequencies(PUBLIC, rows.space, ("blood-pressure", "sex"))[place] - true[:, place]).square().mean()
    assert error < 0.95 * usual


def test_of_one_value_in_public_an_imputer_is_sure(view: Released) -> None:
    mask = view.rows.space.mask(HIDDEN)
    alike = PUBLIC[(PUBLIC.inputs[:, mask][:, 0] > 0).nonzero()[:, 0]]
    assert torch.equal(imputed(alike, view.rows, HIDDEN), torch.tensor([1.0, -1.0]).expand(len(view.rows), 2))
