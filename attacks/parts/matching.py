"""The one loop of every gradient-matching attack: move dummy data until its gradient is the observed one."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Num
from torch import Generator, Tensor

from fedleak.observation import Observation
from fedleak.progress import report
from fedleak.randomness import global_dice
from fedleak.reconstruction import Reconstruction, Snapshot, TracePoint

from .distances import DistanceTo
from .evidence import defect
from .objective import Objective
from .optimisers import Optimiser
from .priors import Prior

SNAPSHOTS = 10
TRACE_POINTS = 100


@dataclass(frozen=True, kw_only=True)
class Matching:
    """What is minimised and how; a matching attack is a choice of these, a start and a rule for the labels."""

    distance: DistanceTo
    optimiser: Optimiser
    steps: int
    priors: tuple[tuple[float, Prior], ...] = ()
    """Weighted terms on the dummy images, added to the distance."""
    box: bool = True
    """Whether dummy pixels are put back into [0, 1] after every iteration."""
    dtype: torch.dtype = torch.float32
    tolerance: float = -math.inf
    """A loss at which the attempt has succeeded and ends early."""
    patience: int | None = None
    """Iterations in which the lowest loss must fall by 1%, or else the attempt has converged and ends early."""

    def run(
        self,
        observation: Observation,
        inputs: Float[Tensor, "batch channels height width"],
        labels: Num[Tensor, "batch *classes"],
        rng: Generator,
    ) -> Reconstruction:
        """One attempt from a start; returns the images (and labels) of its lowest loss.

        Integer `labels` are kept; floating-point ones are logits of soft labels and are optimised with the images.
        `rng` rolls dice only where the network itself does (dropout).
        """
        problem = defect(observation)
        if problem:
            return Reconstruction.failed(problem)
        objective = Objective(observation, self.distance, self.priors, self.dtype)
        attempt = _Attempt(objective, inputs, labels)
        with global_dice("matching", int(torch.randint(2**62, (), generator=rng))):
            self._descend(attempt)
        return attempt.reconstruction()

    def _descend(self, attempt: "_Attempt") -> None:
        attempt.problem = attempt.objective.refusal(attempt.inputs)
        if attempt.problem:
            return
        attempt.record(0, self.steps)
        for iteration in self.optimiser(attempt.variables, attempt.evaluate, self.steps):
            if self.box:
                attempt.inputs.data.clamp_(0.0, 1.0)
            attempt.record(iteration, self.steps)
            report(iteration, self.steps)
            if not torch.isfinite(attempt.inputs).all():
                attempt.problem = f"the dummy data diverged after {iteration} of {self.steps} iterations"
                return
            if attempt.best <= self.tolerance or attempt.stalled(iteration, self.patience):
                return


@dataclass
class _Attempt:
    """The dummy data on its way, and the best of it so far."""

    objective: Objective
    inputs: Tensor
    labels: Tensor
    loss: float = math.nan
    best: float = math.inf
    milestone: tuple[int, float] = (0, math.inf)
    """When the lowest loss last fell by 1%, and to what."""
    problem: str | None = None
    trace: list[TracePoint] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)

    def __post_init__(self) -> None:
        device, dtype = self.objective.device, self.objective.dtype
        self.inputs = self.inputs.detach().to(device, dtype, copy=True).requires_grad_()
        soft = self.labels.is_floating_point()
        self.labels = self.labels.detach().to(device, dtype if soft else torch.long, copy=True).requires_grad_(soft)
        self.variables = [self.inputs, self.labels] if soft else [self.inputs]
        self.best_variables = [value.detach().clone() for value in self.variables]

    def evaluate(self) -> Tensor:
        """The loss here, its gradient in each variable's `grad`; remembers the best place."""
        soft = self.labels.requires_grad
        loss = self.objective(self.inputs, self.labels.softmax(-1) if soft else self.labels)
        gradients = torch.autograd.grad(loss, self.variables)
        for variable, gradient in zip(self.variables, gradients, strict=True):
            variable.grad = gradient
        self.loss = loss.item()
        if self.loss < self.best:
            self.best = self.loss
            for kept, variable in zip(self.best_variables, self.variables, strict=True):
                kept.copy_(variable.detach())
        return loss.detach()

    def stalled(self, iteration: int, patience: int | None) -> bool:
        """Whether the lowest loss has not fallen by 1% for `patience` iterations."""
        if self.best < 0.99 * self.milestone[1]:
            self.milestone = (iteration, self.best)
        return patience is not None and iteration - self.milestone[0] >= patience

    def record(self, iteration: int, steps: int) -> None:
        """A trace point and a snapshot, each when its turn has come."""
        if iteration and _due(iteration, steps, TRACE_POINTS, self.trace):
            self.trace.append(TracePoint(iteration, self.loss))
        if _due(iteration, steps, SNAPSHOTS, self.snapshots):
            self.snapshots.append(Snapshot(iteration, _picture(self.best_variables[0])))

    def reconstruction(self) -> Reconstruction:
        """The best guess, or why there is none."""
        if not math.isfinite(self.best):
            return Reconstruction.failed(self.problem or f"the loss is {self.loss} from the first iteration on")
        labels = self.best_variables[1].argmax(-1) if self.labels.requires_grad else self.labels
        return Reconstruction(
            inputs=_picture(self.best_variables[0]),
            labels=labels.detach().cpu(),
            mismatch=self.best,
            note=self.problem and f"{self.problem}; this is the best guess before that",
            trace=tuple(self.trace),
            snapshots=tuple(self.snapshots),
        )


def _due(iteration: int, steps: int, points: int, taken: list[TracePoint] | list[Snapshot]) -> bool:
    return not taken or iteration - taken[-1].iteration >= steps / points or iteration == steps


def _picture(inputs: Tensor) -> Tensor:
    return inputs.detach().clamp(0.0, 1.0).to("cpu", torch.float32, copy=True)
