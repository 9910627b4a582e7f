"""Optimization loop of every matching attack: moves variables until they explain what was observed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.reconstruction import Reconstruction, Snapshot, TracePoint
from fedleak.learning.device import share_of_memory
from fedleak.learning.layers import twice_differentiable
from fedleak.learning.recomputation import recomputing
from fedleak.progress import report
from fedleak.randomness import seeded

from ..optimizers.first_order import Evaluation, Optimizer
from .memory import demand_of
from .objective import Layout, Objective, Variables, by_autograd, by_function

# Loss and gradient evaluation: point by point on torch's tape, or vectorized over many starts and maybe compiled.

Evaluate = Callable[[Sequence[Float[Tensor, " entries"]]], Sequence[Evaluation]]
"""From points to the loss and its gradient at each."""


TOGETHER = 4
"""Starts from which on one call for all of them costs less than a call for each: below it `vmap` costs more than it
saves (sigmoid LeNet, float32: 1.2 times the time for 2 starts, 0.7 for 4, 0.45 for 8)."""


def one_by_one(objective: Objective, layout: Layout) -> Evaluate:
    """A double backward on torch's tape for each point."""

    def at(point: Tensor) -> Evaluation:
        leaf = point.detach().requires_grad_()
        loss = objective.loss(layout.variables(leaf), by_autograd)
        (gradient,) = torch.autograd.grad(loss, leaf)
        return loss.detach(), gradient

    return lambda points: [at(point) for point in points]


def together(objective: Objective, layout: Layout, compiled: bool) -> Evaluate:
    """One call of `torch.func.vmap` for all points, compiled where that is wanted; only where `vectorizes`."""

    def loss(point: Tensor) -> Tensor:
        return objective.loss(layout.variables(point), by_function)

    each = torch.func.vmap(torch.func.grad_and_value(loss))
    call = torch.compile(each, fullgraph=True, dynamic=False) if compiled else each

    def at(points: Sequence[Tensor]) -> Sequence[Evaluation]:
        gradients, losses = call(torch.stack([point.detach() for point in points]))
        return list(zip(losses.detach(), gradients.detach(), strict=True))

    return at


INPUTS = "inputs"
"""The variable that counts in units of the range of examples, so that one rate suits every kind of them."""
SNAPSHOTS = 10
TRACE_POINTS = 100
CHECK_EVERY = 20
"""Iterations between looks at the loss on a device that would have to be waited for."""


@dataclass(eq=False)
class Attempt:
    """One attempt: dummy data on its way, and the best of it so far.

    It asks for an evaluation at `asked` and gets it through `tell`. Losses stay tensors until their value is needed.
    """

    objective: Objective
    layout: Layout
    optimizer: Optimizer
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
        self.trajectory = self.optimizer(self.start.clone(), self.steps)
        self.iteration, self.asked = next(self.trajectory)
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
            self.iteration, self.asked = self.trajectory.send((loss, gradient))
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

    def picture(self, point: Float[Tensor, " entries"]) -> Float[Tensor, "batch *shape"]:
        """The examples at a point, in their range, as float32 in memory."""
        inputs = self.objective.guess(self.layout.variables(point)).inputs
        return self.objective.space.clamped(inputs.detach()).to("cpu", torch.float32, copy=True)

    def _project(self) -> None:
        variables = self.layout.variables(self.asked)
        self.objective.project(variables)
        if INPUTS in variables:
            self.layout.put_(self.asked, INPUTS, variables[INPUTS])

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


@dataclass(frozen=True, kw_only=True)
class Matching:
    """How the variables are moved, and when that is over; what is minimized is an `Objective`."""

    optimizer: Optimizer
    steps: int
    success: float = -math.inf
    """A loss at which an attempt has found the data: it goes on to its end, and no other does."""
    patience: int | None = None
    """Iterations in which the lowest loss must fall by 1%, or else the attempt has converged and ends early."""
    compiled: bool = False
    """Whether the loss is compiled first (`torch.compile`): tens of seconds that pay for long runs and many starts."""
    memory: int | None = None
    """Bytes that an evaluation may take, about; by default a core's share of what the machine has."""

    def run(self, objective: Objective, starts: Sequence[Variables], rng: Generator) -> Reconstruction:
        """An attempt from each start; returns the guess of the lowest loss of all.

        Four starts or more advance together, in one call an iteration, where the objective can, as many as fit into
        memory; fewer go one after the other, and where one does not fit, blocks of its network are computed again
        and not kept. The objective completes them first. `rng` matters only where the network itself draws (dropout).
        """
        if self.compiled and not objective.vectorizes:
            return Reconstruction.failed("a loss that draws or keeps state (dropout, BatchNorm) cannot be compiled")
        starts = [objective.completed(start, rng) for start in starts]
        layout = Layout.of(starts[0], {INPUTS: objective.space.extent, **objective.units})
        attempts = [Attempt(objective, layout, self.optimizer, self.steps, layout.vector(start)) for start in starts]
        with seeded("matching", int(torch.randint(2**62, (), generator=rng))), twice_differentiable():
            problem = self._advance(attempts, objective, layout)
        return _reconstruction(attempts, problem)

    def _advance(self, attempts: list[Attempt], objective: Objective, layout: Layout) -> str | None:
        """Moves all attempts to their ends; returns why the loss cannot be computed, where it cannot."""
        first = attempts[0].asked
        demand = demand_of(objective, layout.variables(first)) if first.is_cpu else None
        limit = share_of_memory() if self.memory is None else self.memory
        fitting = len(attempts) if demand is None else limit // max(demand.bytes, 1)
        vectorized = self.compiled or (objective.vectorizes and min(len(attempts), fitting) >= TOGETHER)
        evaluate = together(objective, layout, self.compiled) if vectorized else one_by_one(objective, layout)
        size = max(fitting, 1) if vectorized else 1
        groups = [attempts[first : first + size] for first in range(0, len(attempts), size)]
        with recomputing(demand.blocks() if demand is not None and not fitting and not vectorized else ()):
            for number, group in enumerate(groups):
                problem = self._run_group(group, evaluate, number * self.steps, len(groups) * self.steps)
                if problem:
                    return problem
                if any(attempt.best <= self.success for attempt in group):
                    break
        report(len(groups) * self.steps, len(groups) * self.steps)
        return None

    def _run_group(self, running: list[Attempt], evaluate: Evaluate, before: int, total: int) -> str | None:
        while running:
            try:
                evaluations = evaluate([attempt.asked for attempt in running])
            except (ValueError, RuntimeError) as error:
                if running[0].losses:
                    raise  # it could be computed before, so this is a bug
                return f"the loss of the dummy data cannot be computed: {str(error).splitlines()[0]}"
            going = [
                attempt
                for attempt, (loss, gradient) in zip(running, evaluations, strict=True)
                if attempt.tell(loss, gradient) and not attempt.over(self.patience)
            ]
            report(before + min(attempt.iteration for attempt in running), total)
            successful = [attempt for attempt in running if len(running) > 1 and attempt.best <= self.success]
            running = [attempt for attempt in going if not successful or attempt in successful]
        return None


def _reconstruction(attempts: list[Attempt], problem: str | None) -> Reconstruction:
    """The best guess, or why there is none."""
    best = min(attempts, key=lambda attempt: float(attempt.best))
    if problem or not math.isfinite(float(best.best)):
        return Reconstruction.failed(problem or best.problem or "the loss is not finite from the first iteration on")
    guess = best.objective.guess(best.layout.variables(best.best_point))
    return Reconstruction(
        inputs=best.picture(best.best_point),
        labels=None if guess.labels is None else guess.labels.detach().cpu(),
        mismatch=float(best.best),
        note=best.problem and f"{best.problem}; this is the best guess before that",
        trace=best.trace(),
        snapshots=best.snapshots(),
    )
