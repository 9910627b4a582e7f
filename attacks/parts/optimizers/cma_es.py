"""CMA-ES: covariance matrix adaptation, which needs no gradient."""

import math

import torch
from jaxtyping import Float64
from torch import Generator, Tensor

from .first_order import Optimizer, Trajectory


def cma_es(rng: Generator, spread: float = 0.5) -> Optimizer:
    """Draws points around a mean, moves it to the better half of them, and learns which directions pay (CMA-ES).

    An iteration is one generation, of `4 + 3 ln(entries)` points; each starts with a standard deviation of `spread`.
    For some hundred entries at most: its memory is their square, its work on a generation their cube. Constants and
    update rules as in the tutorial, https://arxiv.org/abs/1604.00772
    """

    def run(point: Tensor, steps: int) -> Trajectory:
        population = _Population(point, spread)
        for step in range(steps):
            points, losses = population.draw(rng), []
            for row in points:
                loss, _ = yield step, row.to(point)
                losses.append(float(loss))
            population.learn(points, losses)
        yield steps, population.mean.to(point)

    return run


class _Population:
    """A normal distribution that follows where points were good."""

    def __init__(self, point: Tensor, spread: float) -> None:
        entries = point.numel()
        self.mean, self.step = point.double().cpu(), spread
        self.size = 4 + int(3 * math.log(entries))
        ranks = torch.arange(1, self.size // 2 + 1).double()
        weights = math.log((self.size + 1) / 2) - ranks.log()
        self.weights = weights / weights.sum()
        self.effective_size = float(1 / self.weights.square().sum())
        self.covariance = torch.eye(entries).double()
        self.step_path, self.covariance_path = torch.zeros(entries).double(), torch.zeros(entries).double()
        self.usual_length = math.sqrt(entries) * (1 - 1 / (4 * entries) + 1 / (21 * entries**2))
        self.step_memory = (self.effective_size + 2) / (entries + self.effective_size + 5)
        self.damping = 1 + 2 * max(0.0, math.sqrt((self.effective_size - 1) / (entries + 1)) - 1) + self.step_memory
        self.covariance_memory = (4 + self.effective_size / entries) / (entries + 4 + 2 * self.effective_size / entries)
        self.rank_one = 2 / ((entries + 1.3) ** 2 + self.effective_size)
        self.rank_mu = min(
            1 - self.rank_one,
            2 * (self.effective_size - 2 + 1 / self.effective_size) / ((entries + 2) ** 2 + self.effective_size),
        )

    def draw(self, rng: Generator) -> Float64[Tensor, "points entries"]:
        variances, self.axes = torch.linalg.eigh(self.covariance)
        self.lengths = variances.clamp_min(1e-20).sqrt()
        noise = torch.randn(self.size, len(self.mean), generator=rng, dtype=torch.float64)
        points: Tensor = self.mean + self.step * (noise * self.lengths) @ self.axes.T
        return points

    def learn(self, points: Float64[Tensor, "points entries"], losses: list[float]) -> None:
        """Moves, lengthens and turns the distribution."""
        finite = torch.tensor(losses).nan_to_num(nan=math.inf)
        best = points[finite.argsort(stable=True)[: len(self.weights)]]
        moves = (best - self.mean) / self.step
        move = self.weights @ moves
        self.mean = self.mean + self.step * move
        whitened = self.axes @ (self.axes.T @ move / self.lengths)
        self.step_path = _averaged(self.step_path, whitened, self.step_memory, self.effective_size)
        length = float(self.step_path.norm())
        # A path that grows because steps are still too short would turn the covariance: then it stands still.
        steady = length / self.usual_length < 1.4 + 2 / (len(self.mean) + 1)
        self.covariance_path = _averaged(
            self.covariance_path, steady * move, self.covariance_memory, self.effective_size
        )
        spread = torch.einsum("p,pi,pj->ij", self.weights, moves, moves)
        kept = 1 - self.rank_one - self.rank_mu
        self.covariance = (
            kept * self.covariance
            + self.rank_one * self.covariance_path.outer(self.covariance_path)
            + self.rank_mu * spread
        )
        self.step *= math.exp((self.step_memory / self.damping) * (length / self.usual_length - 1))


def _averaged(path: Tensor, move: Tensor, memory: float, effective_size: float) -> Tensor:
    """The path with a move added so that it stays as long as it would be if moves were drawn at random."""
    return (1 - memory) * path + math.sqrt(memory * (2 - memory) * effective_size) * move
