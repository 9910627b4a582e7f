"""Updates-Leak on released weights: updates of one's own start from the earlier version itself."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released

from ..parts.versions.base import VersionReader, public_of
from ..parts.versions.changes import Changes
from ..parts.versions.shadow_updates import Own, own_models, probabilities


@attacks.register("released-updates-leak")
@dataclass(frozen=True, kw_only=True)
class ReleasedUpdatesLeak(VersionReader, Attack[Released]):
    """Compares what two released versions say of public probes, with updates of the earlier one by public examples.

    As `updates-leak`, by whoever has the weights of both: it needs no models of its own, as the earlier version is
    there to be updated. Of one new example there are no more different updates than public examples.
    """

    paper: ClassVar = "https://arxiv.org/abs/1904.01067"
    cites: ClassVar = "salem2020updates"

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:
        public = public_of(observation)
        probes = public.inputs[: self.probes]
        stacks = [
            {name: value[None] for name, value in version.weights.parameters.items()}
            for version in (observation.earlier[-1], observation)
        ]
        first, second = (probabilities(observation, stack, probes) for stack in stacks)
        known = torch.zeros(1, len(public), dtype=torch.bool)
        own = Own(models=lambda: stacks[0], known=known, seed=own_models(observation, public, 1, 1).seed)
        return self.read(observation, probes, Changes(before=first, after=second), own, rng)
