"""One attempt of a matching attack: dummy data on its way, and the best of it so far."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.reconstruction import Snapshot, TracePoint

from .objective import Objective
from .optimisers import Optimiser
from .variables import Layout

SNAPSHOTS = 10
TRACE_POINTS = 100
CHECK_EVERY = 20
"""Iterations between looks at the loss on a device that would have to be waited for."""


@dataclass(eq=False)
class Attempt:
    """Asks for evaluations through `asked`, is told through `tell`. Losses stay tensors until somebody must know."""

    objective: Objective
    layout: Layout
    optimiser: Optimiser
    steps: int
    start: Float[Tensor, " entries"]
    iteration: int = 0
    milestone: tuple[int, float] = (0, math.inf)
    """When the lowest loss last fell by 1%, and to what."""
    problem: str | None = None
    ended: str = "the end"
    """How it ended: at "the end" of its steps, or before because it "converged" or "diverged"."""
    losses: list[tuple[int, Tensor]] = field(default_factory=list)
    points: list[tuple[int, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.way = self.optimiser(self.start.clone(), self.steps)
        self.iteration, self.asked = next(self.way)
        self._project()
        self.best = torch.full((), math.inf, dtype=self.start.dtype, device=self.start.device)
        self.best_point = self.asked.clone()

    def tell(self, loss: Float[Tensor, ""], gradient: Float[Tensor, " entries"]) -> bool:
        """Takes what was found at `asked`; whether the attempt goes on."""
        better = loss < self.best
        self.best = torch.where(better, loss, self.best)
        self.best_point = torch.where(better, self.asked, self.best_point)
        self._record(loss)
        try:
            self.iteration, self.asked = self.way.send((loss, gradient))
        except StopIteration:
            self._finish(loss)
            return False
        self._project()
        return True

    def over(self, patience: int | None) -> bool:
        """Whether it ends before its steps do: it converged, or it diverged, which is a problem."""
        if self.asked.is_cuda and self.iteration % CHECK_EVERY:
            return False
        best = float(self.best)
        if best < 0.99 * self.milestone[1]:
            self.milestone = (self.iteration, best)
        if patience is not None and self.iteration - self.milestone[0] >= patience:
            self.ended = "converged"
        elif not torch.isfinite(self.asked).all():
            self.ended = "diverged"
            self.problem = f"the dummy data diverged after {self.iteration} of {self.steps} iterations"
        return self.ended != "the end"

    def trace(self) -> tuple[TracePoint, ...]:
        """The losses that were recorded."""
        return tuple(TracePoint(iteration, float(loss)) for iteration, loss in self.losses)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """The best guess at some iterations."""
        return tuple(Snapshot(iteration, self.picture(point)) for iteration, point in self.points)

    def picture(self, point: Float[Tensor, " entries"]) -> Float[Tensor, "batch channels height width"]:
        """The images at a point, in the box, as float32 in memory."""
        inputs = self.objective.guess(self.layout.variables(point)).inputs
        return inputs.detach().clamp(0.0, 1.0).to("cpu", torch.float32, copy=True)

    def _project(self) -> None:
        self.objective.project(self.layout.variables(self.asked))

    def _record(self, loss: Tensor) -> None:
        if _due(self.iteration, self.steps / TRACE_POINTS, self.losses):
            self.losses.append((self.iteration, loss))
        if _due(self.iteration, self.steps / SNAPSHOTS, self.points):
            self.points.append((self.iteration, self.best_point))

    def _finish(self, loss: Tensor) -> None:
        self.iteration += 1
        self.losses.append((self.iteration, loss))
        self.points.append((self.iteration, self.best_point))


def _due(iteration: int, spacing: float, taken: list[tuple[int, Tensor]]) -> bool:
    return not taken or iteration - taken[-1][0] >= max(spacing, 1)
