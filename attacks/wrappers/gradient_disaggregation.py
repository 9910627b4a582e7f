"""Gradient disaggregation: clients singled out of sums over cohorts that overlap, for another attack."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.settings.base import Count

from ..parts.applicability import require_usable
from ..parts.sums import Sums
from .best_of import attempted


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A part of a cohort as if it had sent a message of its own, and how that was found."""

    alone: Observation
    words: str


@attacks.register("gradient-disaggregation")
@dataclass(frozen=True, kw_only=True)
class GradientDisaggregation(Attack):
    """Solves several rounds' sums over different cohorts for the updates of single clients, and attacks those.

    The passive attack on secure aggregation: two sums whose cohorts differ by one client differ by that client's
    update, and so do other combinations of more sums (So et al. 2023, https://arxiv.org/abs/2106.03328). Of those that
    single a client out it takes the one that least amplifies how far apart the rounds' models are and what noise
    defenses add: the weighted least-squares solution over all rounds (the paper's).

    Assumed: the server knows who took part in each round and how many examples are behind each sum, as it does in this
    protocol, and a client sends about the same in each round. That is exact where the model stood still and clients
    train on the same examples each round (`batches = "all"`); else the guess is off by what updates changed. The
    paper's other half, finding out who took part from counts of participation, is not needed here.

    On a masked message the client's own update is attacked; on a sum, each client of its cohort that can be singled
    out, else small sets of them, and the guesses are joined. A client's own message goes to the attack as it is. The
    attack is told the chain without the protocol, and not that the noise of several messages was added up.
    """

    paper: ClassVar = "https://arxiv.org/abs/2106.06089"
    cites: ClassVar = "lam2021gradient"
    attack: Attack
    """The attack on what was singled out; it sees an observation of that smaller cohort."""
    largest: Count = 2
    """Clients at most that may be singled out together where none can alone."""
    parts: Count = 8
    """Parts of a sum's cohort that are attacked at most, the surest first; each costs a run of the attack."""

    @property
    def requires(self) -> frozenset[Requirement]:
        return super().requires | {"others"}

    def adapts_to(self, chain: Chain) -> bool:
        return chain.protocol is not None or super().adapts_to(chain)

    @property
    def targets(self) -> frozenset[Kind]:
        return self.attack.targets

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        if len(observation.cohort) == 1 and not observation.masked:
            return self.attack.reconstruct(observation, rng)
        if not observation.masked:
            require_usable(observation)
        parts = self._parts(observation)
        guesses = [
            attempted(place, len(parts), partial(self.attack.run, part.alone), rng) for place, part in enumerate(parts)
        ]
        return _joined(parts, guesses)

    def _parts(self, observation: Observation) -> list[_Part]:
        """What can be singled out of the message's cohort; raises `NotApplicable` where that is nothing."""
        sums = Sums.around(observation)
        cohorts = [observation.cohort] if observation.masked else [*sums.parts(self.largest)][: self.parts]
        parts = [
            _part(sums, cohort, factors) for cohort in cohorts if (factors := sums.combination(cohort)) is not None
        ]
        if not parts:
            raise NotApplicable(_nothing(observation.masked, self.largest))
        return parts


def _part(sums: Sums, cohort: tuple[int, ...], factors: Float64[Tensor, " sums"]) -> _Part:
    alone = sums.observation(cohort, factors)
    return _Part(alone=alone, words=sums.words(cohort, factors, alone))


def _nothing(masked: bool, largest: int) -> str:
    """Why no part of the cohort was singled out; in the same words for all, since reasons are counted."""
    if masked:
        who = "this client alone"
    else:
        who = "one client of this cohort" if largest == 1 else f"one client of this cohort, or up to {largest}"
    return (
        f"no two sums differ by {who}, nor do other combinations of the sums revealed up to this round: attack a later "
        "round, or record more of them"
    )


def _joined(parts: list[_Part], guesses: list[Reconstruction]) -> Reconstruction:
    """One guess of all: images and labels side by side, the likeliest say on who was there, the mean on properties."""
    made = [guess for guess in guesses if not guess.failure]
    if not made:
        raise NotApplicable(f"singled out, and then: {guesses[0].failure}")
    note = "; ".join(
        f"{part.words}: {said}" if (said := guess.failure or guess.note) else part.words
        for part, guess in zip(parts, guesses, strict=True)
    )
    if len(made) == 1:
        return replace(made[0], note=note)
    certificates = [guess.certificate for guess in made if guess.certificate]
    return Reconstruction(
        inputs=_combined(torch.cat, [guess.inputs for guess in made]),
        labels=_combined(torch.cat, [guess.labels for guess in made]),
        membership=_combined(lambda every: torch.stack(every).amax(0), [guess.membership for guess in made]),
        properties=_combined(lambda every: torch.stack(every).nanmean(0), [guess.properties for guess in made]),
        mismatch=math.fsum(guess.mismatch for guess in made) / len(made),
        certifiable=all(guess.certifiable for guess in made),
        certificate="; ".join(certificates) if len(certificates) == len(made) else None,
        note=note,
    )


def _combined(how: Callable[[list[Tensor]], Tensor], guesses: list[Tensor | None]) -> Tensor | None:
    """One of those that there are."""
    known = [guess for guess in guesses if guess is not None]
    return how(known) if known else None
