"""The one loop of every matching attack: move variables until what they stand for explains what was observed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator

from fedleak.contracts.reconstruction import Reconstruction
from fedleak.progress import report
from fedleak.randomness import global_dice

from .attempt import Attempt
from .evaluation import TOGETHER, Evaluate, one_by_one, together
from .objective import Objective
from .optimisers import Optimiser
from .variables import Layout, Variables


@dataclass(frozen=True, kw_only=True)
class Matching:
    """How the variables are moved, and when that is over; what is minimised is an `Objective`."""

    optimiser: Optimiser
    steps: int
    success: float = -math.inf
    """A loss at which an attempt has found the data: it goes on to its end, and no other does."""
    patience: int | None = None
    """Iterations in which the lowest loss must fall by 1%, or else the attempt has converged and ends early."""
    compiled: bool = False
    """Whether the loss is compiled first (`torch.compile`): tens of seconds that pay for long runs and many starts."""

    def run(self, objective: Objective, starts: Sequence[Variables], rng: Generator) -> Reconstruction:
        """An attempt from each start; returns the guess of the lowest loss of all.

        Four starts or more advance together, in one call an iteration, where the objective can; fewer go one after the
        other. The objective completes them first. `rng` rolls dice only where the network itself does (dropout).
        """
        if self.compiled and not objective.vectorises:
            return Reconstruction.failed("a loss that draws or keeps state (dropout, BatchNorm) cannot be compiled")
        starts = [objective.completed(start, rng) for start in starts]
        layout = Layout.of(starts[0], objective.units)
        attempts = [Attempt(objective, layout, self.optimiser, self.steps, layout.vector(start)) for start in starts]
        with global_dice("matching", int(torch.randint(2**62, (), generator=rng))):
            problem = self._advance(attempts, objective, layout)
        return _reconstruction(attempts, problem)

    def _advance(self, attempts: list[Attempt], objective: Objective, layout: Layout) -> str | None:
        """Moves all attempts to their ends; returns why the loss cannot be computed, where it cannot."""
        vectorised = self.compiled or (objective.vectorises and len(attempts) >= TOGETHER)
        evaluate = together(objective, layout, self.compiled) if vectorised else one_by_one(objective, layout)
        groups = [attempts] if vectorised else [[attempt] for attempt in attempts]
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
                told = evaluate([attempt.asked for attempt in running])
            except (ValueError, RuntimeError) as error:
                if running[0].losses:
                    raise  # it could be computed before, so this is a bug
                return f"the loss of the dummy data cannot be computed: {str(error).splitlines()[0]}"
            going = [
                attempt
                for attempt, (loss, gradient) in zip(running, told, strict=True)
                if attempt.tell(loss, gradient) and not attempt.over(self.patience)
            ]
            report(before + min(attempt.iteration for attempt in running), total)
            found = [attempt for attempt in running if len(running) > 1 and attempt.best <= self.success]
            running = [attempt for attempt in going if not found or attempt in found]
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
