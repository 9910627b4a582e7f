"""No access: the baseline of a natural guess by the same knowledge with the channel cut."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.cut import Cut
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable
from fedleak.goals.goal import public_in
from fedleak.goals.goals import GOALS
from fedleak.goals.labels import blind_distribution


@attacks.register("no-access")
@dataclass(frozen=True, kw_only=True)
class NoAccess(Attack):
    """Guesses public examples drawn at random, inputs with their labels, one for each example; ignores the update.

    The second baseline of every score, beside `prior`: a mean image has a low squared error and no structure at all, so
    measures of structure and of perception need a baseline that looks like an example. The draws are independent; for a
    class that is asked about the example is one of it, where public data has any. Without public data there is no such
    guess. Of candidates and properties it knows what the prior knows: drawn at random, answers to a question are right
    as often as equal ones in the mean, and only less even.
    """

    paper: ClassVar = "https://arxiv.org/abs/2201.04845"
    cites: ClassVar = "balle2022reconstructing"

    def reconstruct(self, observation: View, rng: Generator) -> Reconstruction:
        if public_in(observation) is None and not isinstance(observation, Cut):  # who sits at a cut has columns
            raise NotApplicable("the adversary holds no public examples to guess from")
        # Each goal from the same state: labels are then those of the very examples that were drawn as inputs.
        guesses: dict[str, Any] = {goal.name: goal.no_access(observation, rng.clone_state()) for goal in GOALS.values()}
        return Reconstruction(**guesses, label_distribution=blind_distribution(observation))
