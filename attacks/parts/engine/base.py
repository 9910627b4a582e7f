"""Base classes of gradient matching: precision, device, restarts, and the diagnosis of a poor match."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Generator

from fedleak.contracts.attack import Attack
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import ConfigError, NotApplicable
from fedleak.learning.device import computing_on, require
from fedleak.learning.facts import Device
from fedleak.learning.space import require_continuous
from fedleak.settings.base import Amount, Count

from ..applicability import length_unknown, require_usable
from ..optimizers.lbfgs import lbfgs
from .defense_aware import restored
from .diagnosis import diagnose
from .distances import DistanceTo, squared, squared_up_to_length
from .loop import Matching
from .objective import Objective, Variables
from .orthogonality import estimate
from .stochastic_layers import secret_draws


@dataclass(frozen=True, kw_only=True)
class MatchingAttack(Attack, ABC):
    """Moves dummy data until it explains the update; the attempt of lowest own loss counts."""

    follows_steps: ClassVar[bool] = False
    """Whether it goes with all local steps; one gradient, by which guesses are diagnosed, does not fit those anyway."""
    restarts: Count = 1
    """Attempts; four or more advance together where the network allows it."""
    precision: Literal["auto", "float32", "float64"] = "auto"
    """Of the arithmetic; "auto" is the one that the optimizer needs."""
    device: Device = "cpu"
    """Where it computes, by default where the experiment does. It starts from the same draws on each, but the last bits
    differ, and so in time does the guess."""
    compiled: bool = False
    """Whether the loss is compiled first: tens of seconds that pay for thousands of steps."""

    def adapts_to(self, chain: Chain) -> bool:
        return any(defense.adaptive_strategy for defense in chain)

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        require_usable(observation)
        require_continuous(observation.task.space, "gradient matching")
        try:
            require(self.device)
        except ConfigError as error:
            raise NotApplicable(str(error)) from error
        if self.device == "mps" and self.precision == "float64":
            raise NotApplicable('a device "mps" has no float64; take precision = "float32", or another device')
        estimated = estimate(observation)
        if estimated is not None:
            return restored(observation, estimated)
        with computing_on(self.device):
            guess = self.match(observation, rng)
        # A diagnosis draws masks of its own, where a guess under secret draws goes with those that were found.
        if (not self.follows_steps or observation.training.steps == 1) and not secret_draws(observation):
            guess = replace(guess, diagnosis=guess.diagnosis or diagnose(observation, guess))
        return restored(observation, guess)

    @abstractmethod
    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        """The best guess for an update that says something."""

    def dtype(self, usual: torch.dtype) -> torch.dtype:
        """The precision that was asked for, or else the usual one, where the device has it."""
        usual = torch.float32 if self.device == "mps" else usual
        return {"auto": usual, "float32": torch.float32, "float64": torch.float64}[self.precision]

    def starts(
        self, observation: Observation, examples: int, dtype: torch.dtype, rng: Generator, *, soft: bool = False
    ) -> list[Variables]:
        """For each attempt a dummy batch to start from, and where labels are `soft` logits from N(0, 1) for them."""
        task, starts = observation.task, []
        for _ in range(self.restarts):
            variables = {"inputs": task.space.start(examples, rng)}
            if soft:
                variables["labels"] = torch.randn(examples, task.classes, generator=rng)
            starts.append({name: value.to(self.device, dtype) for name, value in variables.items()})
        return starts


@dataclass(frozen=True, kw_only=True)
class DeepLeakage(MatchingAttack, ABC):
    """The L2 distance between gradients, minimized by L-BFGS in float64: what DLG and its kin share."""

    steps: Count = 500
    """L-BFGS iterations of one attempt."""
    restarts: Count = 2
    """Attempts at most; a further one is made only while the mismatch is above `success`."""
    success: Amount = 1e-6
    """Mismatch (relative squared distance) at which an attempt counts as successful."""

    def descend(self, objective: Objective, starts: Sequence[Variables], rng: Generator) -> Reconstruction:
        """Attempts from the starts, each ended early when it stalls."""
        engine = Matching(
            optimizer=lbfgs(), steps=self.steps, success=self.success, patience=100, compiled=self.compiled
        )
        return engine.run(objective, starts, rng)


def l2(observation: Observation) -> DistanceTo:
    """The squared distance; up to length where the length of the update says nothing."""
    return squared_up_to_length if length_unknown(observation) else squared
