"""Gradient estimate: the way to a class, told by all answers so far, and questions along it."""

import torch
from jaxtyping import Float64
from torch import Generator, Tensor

from fedleak.progress import report

from .inquiry import Inquiry
from .log_odds import LogOdds, least_squares, likelihood
from .objective import Objective, best_asked

COMMON = 0.3
"""Share of the budget that is asked about the mean image, once for all classes; and at most:"""
MOST_COMMON = 2.5
"""Questions about it for each dimension, where answers are exact."""
ROUNDS = 50
"""Times at most that it is looked where to ask next, where answers are exact; where they are coarse:"""
COARSE_ROUNDS = 6
REACH = 1.0
"""How far from the best point a linear model of exact answers is believed."""
NEAR, WIDE = 0.2, 0.8
"""Standard deviations of questions about a point, where answers are exact and where they are coarse."""


def by_exact_answers(
    inquiry: Inquiry,
    wanted: tuple[int, ...],
    objective: Objective,
    rng: Generator,
    starts: Float64[Tensor, "starts dimensions"] | None = None,
) -> Float64[Tensor, "wanted dimensions"]:
    """The best point that was asked about, for each class, after steps along slopes of the log odds.

    One answer tells something about every class, so that slopes are fitted to the answers to all questions; `starts`
    are points to ask about first.
    """
    dimensions = inquiry.space.dimensions
    if starts is not None:
        inquiry.ask(starts)
    _ask_about_mean(inquiry, min(int(COMMON * inquiry.remaining), int(MOST_COMMON * dimensions)), rng)
    each = max(2, inquiry.remaining // (ROUNDS * len(wanted)))
    while inquiry.remaining and len(inquiry.points):
        report(inquiry.budget - inquiry.remaining, inquiry.budget)
        model = least_squares(inquiry.points, inquiry.answers, best_asked(inquiry, wanted, objective))
        _ask_about(inquiry, model.best(wanted, objective, REACH), each, NEAR, rng)
    return best_asked(inquiry, wanted, objective)


def by_coarse_answers(
    inquiry: Inquiry, wanted: tuple[int, ...], objective: Objective, noise: float, rng: Generator
) -> Float64[Tensor, "wanted dimensions"]:
    """The best point by the model that makes all answers likeliest; no single answer is trusted.

    Questions are spread wide about the best points so far, so that answers that show a class alone tell where it ends.
    """

    def fitted() -> LogOdds:
        return likelihood(inquiry.points, inquiry.answers, noise, len(wanted))

    _ask_about_mean(inquiry, int(COMMON * inquiry.budget), rng)
    each = max(2, inquiry.remaining // (COARSE_ROUNDS * len(wanted)))
    while inquiry.remaining:
        report(inquiry.budget - inquiry.remaining, inquiry.budget)
        _ask_about(inquiry, fitted().best(wanted, objective), each, WIDE, rng)
    return fitted().best(wanted, objective)


def _ask_about_mean(inquiry: Inquiry, questions: int, rng: Generator) -> None:
    """The mean itself, then pairs on either side of it, spread as public images are."""
    pairs = torch.randn(questions // 2, inquiry.space.dimensions, generator=rng).double()
    inquiry.ask(torch.cat([pairs.new_zeros(1, inquiry.space.dimensions), pairs, -pairs]))


def _ask_about(
    inquiry: Inquiry, points: Float64[Tensor, "wanted dimensions"], each: int, deviation: float, rng: Generator
) -> None:
    """Each point itself, then questions at random around it."""
    away = torch.randn(len(points), each, points.shape[1], generator=rng).double()
    away[:, 0] = 0.0
    inquiry.ask((points[:, None] + deviation * away).flatten(0, 1))
