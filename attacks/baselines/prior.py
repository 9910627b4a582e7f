"""The prior: the baseline of the best constant guess made without access."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.view import View
from fedleak.goals.goals import GOALS
from fedleak.goals.labels import blind_distribution


@attacks.register("prior")
@dataclass(frozen=True, kw_only=True)
class Prior(Attack):
    """Guesses the mean public example for every example and the labels by their public frequency; ignores the update.

    The baseline of every score: what an adversary says who saw nothing. Without public data the example is in the
    middle of its range (mid-gray) and all classes count as equally frequent. Candidates are all as likely to it, a
    property is as probable as by its public frequency, and a class looks like the mean of its public examples. It
    guesses whatever it is shown asks for, a released model or a service too.
    """

    paper: ClassVar = "https://arxiv.org/abs/2201.04845"
    cites: ClassVar = "balle2022reconstructing"

    def reconstruct(self, observation: View, rng: Generator) -> Reconstruction:
        guesses: dict[str, Any] = {goal.name: goal.prior(observation, rng) for goal in GOALS.values()}
        return Reconstruction(**guesses, label_distribution=blind_distribution(observation))
