"""What the attacks that match gradients have in common: how they compute, and that they explain a failure."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Generator

from fedleak.contracts.attack import Attack
from fedleak.contracts.defense import Defense
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.settings import Count

from .adaptive import restored
from .diagnosing import diagnose
from .dice import secret_dice
from .evidence import defect
from .starts import grey
from .variables import Variables

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class MatchingAttack(Attack, ABC):
    """Moves dummy data until it explains the update; the attempt of lowest own loss counts."""

    follows_steps: ClassVar[bool] = False
    """Whether it goes with all local steps; one gradient, by which guesses are diagnosed, does not fit those anyway."""
    restarts: Count = 1
    """Attempts; four or more advance together where the network allows it."""
    precision: Literal["auto", "float32", "float64"] = "auto"
    """Of the arithmetic; "auto" is the one that the optimiser needs."""
    device: Device = "cpu"
    """Where it computes; guesses differ in their last bits between devices."""
    compiled: bool = False
    """Whether the loss is compiled first: tens of seconds that pay for thousands of steps."""

    def adapts_to(self, chain: tuple[Defense, ...]) -> bool:
        return any(defense.knowledge for defense in chain)

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        problem = defect(observation)
        if problem is None and self.device == "cuda" and not torch.cuda.is_available():
            problem = 'device = "cuda" was asked for, and torch finds no such device here; use "cpu"'
        if problem:
            return Reconstruction.failed(problem)
        guess = self.match(observation, rng)
        # A diagnosis computes the gradient of a guess with dice of its own, where that of secret dice goes with them.
        if (not self.follows_steps or observation.training.steps == 1) and not secret_dice(observation):
            guess = replace(guess, diagnosis=guess.diagnosis or diagnose(observation, guess))
        return restored(observation, guess)

    @abstractmethod
    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        """The best guess for an update that says something."""

    def dtype(self, usual: torch.dtype) -> torch.dtype:
        """The precision that was asked for, or else the usual one."""
        return {"auto": usual, "float32": torch.float32, "float64": torch.float64}[self.precision]

    def starts(
        self, observation: Observation, examples: int, dtype: torch.dtype, rng: Generator, *, soft: bool = False
    ) -> list[Variables]:
        """For each attempt dummy images near mid-grey, and where labels are `soft` logits from N(0, 1) for them."""
        task, starts = observation.task, []
        for _ in range(self.restarts):
            variables = {"inputs": grey(examples, task.shape, rng)}
            if soft:
                variables["labels"] = torch.randn(examples, task.classes, generator=rng)
            starts.append({name: value.to(self.device, dtype) for name, value in variables.items()})
        return starts
