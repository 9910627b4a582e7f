"""Log odds: linear models of what a service answers, fitted to all answers at once and so for all classes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from ..optimizers.lbfgs import lbfgs
from .objective import TINY, Objective

WIDTH = 1.0
"""How far from a point answers count, in times the root of the dimensions."""
RIDGE = 0.1
"""Weight of the squared slopes."""
ASCENT = 150
"""Steps on the model; they cost no question."""
DETECTED = 2.0
"""Standard deviations of the noise below which an answered probability may be none."""
ITERATIONS = 30


@dataclass(frozen=True)
class LogOdds:
    """A linear model of the logarithms of probabilities, up to a constant, about one point for each wanted class."""

    about: Float64[Tensor, "wanted dimensions"]
    levels: Float64[Tensor, "wanted classes"]
    slopes: Float64[Tensor, "wanted dimensions classes"]

    def best(
        self, wanted: tuple[int, ...], objective: Objective, reach: float = torch.inf
    ) -> Float64[Tensor, "wanted dimensions"]:
        """Where the objective is lowest by the model, for each class no farther than `reach` from its point."""
        rows, columns = torch.arange(len(wanted)), torch.tensor(wanted)
        moves = torch.zeros_like(self.about)
        for step in range(ASCENT):
            odds = self.levels + torch.einsum("wd,wdc->wc", moves, self.slopes)
            rivals = odds.clone()
            rivals[rows, columns] = -torch.inf
            rival = rivals.argmax(1)
            rising = odds[rows, columns] - odds[rows, rival] < objective.cap
            uphill = rising[:, None] * (self.slopes[rows, :, columns] - self.slopes[rows, :, rival])
            moves = moves + 0.2 / (1 + 0.1 * step) * (uphill - objective.prior * (self.about + moves))
            moves = moves * (reach / moves.norm(dim=1, keepdim=True).clamp_min(TINY)).clamp_max(1.0)
        return self.about + moves


def least_squares(
    points: Float64[Tensor, "asked dimensions"],
    answers: Float64[Tensor, "asked classes"],
    about: Float64[Tensor, "wanted dimensions"],
) -> LogOdds:
    """Slopes about each point by ridge regression of the answers' logarithms, near answers counting more.

    For answers that are exact: then a few tell the slope, also where a probability is near 1 or 0.
    """
    logarithms = answers.clamp_min(TINY).log()
    logarithms = logarithms - logarithms.mean(1, keepdim=True)
    away = points - about[:, None]
    nearness = torch.exp(-away.square().sum(2) / (2 * WIDTH**2 * points.shape[1]))
    known = torch.cat([torch.ones_like(away[..., :1]), away], 2)
    weighted = (known * nearness[..., None]).mT
    ridge = torch.full((known.shape[2],), RIDGE).double()
    ridge[0] = 1e-6
    fitted = torch.linalg.solve(weighted @ known + torch.diag(ridge), weighted @ logarithms)
    return LogOdds(about, fitted[:, 0], fitted[:, 1:])


def likelihood(
    points: Float64[Tensor, "asked dimensions"],
    answers: Float64[Tensor, "asked classes"],
    noise: float,
    wanted: int,
) -> LogOdds:
    """The multinomial logistic model that makes the answers likeliest, about the mean image for every class.

    For answers that are coarse: what is answered as 0 may be hidden, so all that is known of it is that the rest of the
    probability is there. Nor does an answer count that may be noise alone.
    """
    shown = torch.where(answers < DETECTED * noise, 0.0, answers)
    shown = shown / shown.sum(1, keepdim=True).clamp_min(1.0)
    rest, visible = (1 - shown.sum(1)).clamp_min(0.0), shown > 0
    known = torch.cat([torch.ones_like(points[:, :1]), points], 1)

    def loss(fitted: Float64[Tensor, "rows classes"]) -> Float64[Tensor, ""]:
        logarithms = (known @ fitted).log_softmax(1)
        hidden = logarithms.masked_fill(visible, -50.0).logsumexp(1)
        return RIDGE / 2 * fitted[1:].square().sum() - (shown * logarithms).sum() - (rest * hidden).sum()

    fitted = _minimum(loss, known.shape[1], answers.shape[1])
    everywhere = fitted.expand(wanted, -1, -1)
    return LogOdds(torch.zeros(wanted, points.shape[1]).double(), everywhere[:, 0], everywhere[:, 1:])


def _minimum(
    loss: Callable[[Float64[Tensor, "rows classes"]], Float64[Tensor, ""]], rows: int, classes: int
) -> Float64[Tensor, "rows classes"]:
    """Where a smooth loss is lowest, searched for from zero."""
    trajectory = lbfgs(magnification=1.0)(torch.zeros(rows * classes).double(), ITERATIONS)
    lowest, best = torch.inf, torch.zeros(rows, classes).double()
    _, entries = next(trajectory)
    while True:
        fitted = entries.view(rows, classes).detach().clone().requires_grad_()
        value = loss(fitted)
        (gradient,) = torch.autograd.grad(value, fitted)
        value = value.detach()
        if value < lowest:
            lowest, best = float(value), fitted.detach()
        try:
            _, entries = trajectory.send((value, gradient.flatten()))
        except StopIteration:
            return best
