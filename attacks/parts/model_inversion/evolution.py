"""Evolution: differential evolution, each generation of which is one request to a service."""

import numpy as np
import torch
from jaxtyping import Float64
from scipy.optimize import differential_evolution
from torch import Generator, Tensor

from fedleak.progress import report

from .inquiry import Inquiry
from .objective import Objective, best_asked, margins

POPULATION = 16
"""Points of a class's generation."""
BOUND = 3.0
"""Standard deviations from the mean that are searched."""
COMMON = 64
"""Questions at most that all classes' first generations are chosen from."""
UNKNOWN = 1e6
"""What a point counts as that was refused: worse than any other, and finite."""


def by_evolution(
    inquiry: Inquiry,
    wanted: tuple[int, ...],
    objective: Objective,
    rng: Generator,
    starts: Float64[Tensor, "wanted starts dimensions"] | None = None,
) -> Float64[Tensor, "wanted dimensions"]:
    """The fittest point of each class, by answers taken at face value; the budget is split evenly.

    Without `starts` the first generations are chosen from the answers to common questions. Source: Storn and Price
    1997, https://doi.org/10.1023/A:1008202821328
    """
    if starts is None:
        starts = _chosen(inquiry, wanted, objective, rng)
    for place, population in enumerate(starts):
        share = inquiry.remaining // (len(wanted) - place)
        _evolve(inquiry, wanted[place], objective, population.clamp(-BOUND, BOUND), share, rng)
        report(place + 1, len(wanted))
    return best_asked(inquiry, wanted, objective)


def _chosen(
    inquiry: Inquiry, wanted: tuple[int, ...], objective: Objective, rng: Generator
) -> Float64[Tensor, "wanted starts dimensions"]:
    """For each class the fittest of points spread as public images are; one of them is the mean."""
    count = max(min(COMMON, inquiry.remaining // 3), POPULATION)
    points = torch.randn(count, inquiry.space.dimensions, generator=rng).double()
    points[0] = 0.0
    values = _answered(inquiry, wanted, objective, points)
    return points[values.argsort(dim=0, stable=True)[:POPULATION]].transpose(0, 1)


def _answered(
    inquiry: Inquiry, wanted: tuple[int, ...], objective: Objective, points: Float64[Tensor, "points dimensions"]
) -> Float64[Tensor, "points wanted"]:
    """The objective of points that are asked about."""
    answers = inquiry.ask(points)
    values = torch.full((len(points), len(wanted)), UNKNOWN).double()
    values[: len(answers)] = objective.of(margins(answers, wanted), points[: len(answers)])
    return values.nan_to_num(UNKNOWN)


def _evolve(
    inquiry: Inquiry,
    wanted: int,
    objective: Objective,
    population: Float64[Tensor, "starts dimensions"],
    questions: int,
    rng: Generator,
) -> None:
    """Asks about as many generations as there are questions for."""
    generations = questions // len(population)
    if not generations:
        return

    def fitness(columns: np.ndarray) -> np.ndarray:
        values: np.ndarray = _answered(inquiry, (wanted,), objective, torch.from_numpy(columns.T.copy()))[:, 0].numpy()
        return values

    differential_evolution(
        fitness,
        [(-BOUND, BOUND)] * population.shape[1],
        init=population.numpy(),
        maxiter=generations - 1,
        mutation=(0.5, 1.0),
        recombination=0.8,
        tol=0.0,
        polish=False,
        vectorized=True,
        updating="deferred",
        rng=np.random.default_rng(int(torch.randint(2**62, (), generator=rng))),
    )
