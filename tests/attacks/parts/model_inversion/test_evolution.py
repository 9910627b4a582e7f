"""Differential evolution: one request a generation."""

import torch

from fedleak.attacks.parts.generators.linear import fit_cosines
from fedleak.attacks.parts.model_inversion.evolution import POPULATION, by_evolution
from fedleak.attacks.parts.model_inversion.inquiry import Inquiry
from fedleak.attacks.parts.model_inversion.objective import Objective, margins
from fedleak.randomness import generator


def test_each_request_is_a_generation_and_later_ones_are_fitter(linear_task, serve):
    view = serve(linear_task, 20 * POPULATION)
    inquiry = Inquiry(view.service, fit_cosines(None, linear_task.space, 4), 4)
    objective = Objective(cap=10.0, prior=0.1)
    best = by_evolution(inquiry, (2,), objective, generator(0))
    assert {len(asked) for asked in view.service.log[1:]} == {POPULATION}
    fitness = objective.of(margins(inquiry.answers, (2,)), inquiry.points)[:, 0]
    assert float(fitness[-POPULATION:].mean()) < float(fitness[:POPULATION].mean())
    assert torch.equal(best[0], inquiry.points[fitness.argmin()])


def test_what_is_refused_is_never_the_fittest(linear_task, serve):
    view = serve(linear_task, 100, lambda probabilities: torch.full_like(probabilities, torch.nan))
    inquiry = Inquiry(view.service, fit_cosines(None, linear_task.space, 4), 4)
    best = by_evolution(inquiry, (2, 1), Objective(cap=10.0, prior=0.1), generator(0))
    assert torch.equal(best, torch.zeros(2, 4).double())
