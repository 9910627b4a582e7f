"""Random public examples: the baseline of a natural guess made without any update."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable

from .prior import no_preference, public_majority


@attacks.register("no-gradient")
@dataclass(frozen=True, kw_only=True)
class NoGradient(Attack):
    """Guesses public examples drawn at random, inputs with their labels, one for each example; ignores the update.

    The second baseline of every score, beside `prior`: a mean image has a low squared error and no structure at all, so
    measures of structure and of perception need a baseline that looks like an example. The draws are independent.
    Without public data there is no such guess. Of candidates and properties it knows what the prior knows: drawn at
    random, answers to a question are right as often as equal ones in the mean, and only less even.
    """

    paper: ClassVar = "https://arxiv.org/abs/2201.04845"
    cites: ClassVar = "balle2022reconstructing"

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        public = observation.auxiliary
        if public is None or not len(public):
            raise NotApplicable("the adversary holds no public examples to guess from")
        drawn = public[torch.randint(len(public), (observation.examples(),), generator=rng)]
        return Reconstruction(
            inputs=drawn.inputs,
            labels=drawn.labels,
            membership=no_preference(observation),
            properties=public_majority(observation),
        )
