"""Membership: which of the candidates are behind what is seen?"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float, Float64
from torch import Generator, Tensor

from fedleak.contracts.metric import Metric
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.view import View
from fedleak.errors import ConfigError, echo
from fedleak.goals.answer import Answer
from fedleak.goals.goal import Goal, of_no_known_kind
from fedleak.goals.judgement import Judgement
from fedleak.goals.measured import Measured

Others = Literal["non_members", "other_clients"]


class MembershipMetric(Metric):
    """Judges how far the examples behind an update stand out among others. A sample is one of these examples."""

    compares: ClassVar[Kind] = "membership"
    against: ClassVar[Others] = "non_members"
    """The others: examples that nobody trained on, or such as other clients trained on in the same round."""
    fewest: ClassVar[int] = 1
    """Others that there must be."""

    @abstractmethod
    def per_member(
        self, members: Float[Tensor, " members"], others: Float[Tensor, " others"]
    ) -> Float[Tensor, " members"]:
        """One value for each member from the attack's finite scores; only their order counts."""


def ranked(guess: Float[Tensor, " candidates"]) -> Float64[Tensor, " candidates"]:
    """The scores as they are judged: a candidate without one is the least likely: left out, it flattered the rest."""
    return torch.nan_to_num(guess.double(), nan=-math.inf, posinf=math.inf, neginf=-math.inf)


class Membership(Goal):
    """Who was there. Metrics on it are `MembershipMetric`s."""

    name: ClassVar[Kind] = "membership"
    noun: ClassVar[str] = "member"
    verb: ClassVar[str] = "found"
    guessing: ClassVar[str] = "says who was there"
    unguessed: ClassVar[str] = "the attack does not say who was there"
    hit_or_miss: ClassVar[bool] = True
    blindly: ClassVar[str] = "the same score for each candidate"
    metrics: ClassVar[tuple[str, ...]] = ("membership-auc", "membership-tpr", "source-auc")
    sentences: ClassVar[Mapping[Judgement, str]] = {
        Judgement.LEAKED: "Members were found under {names}.",
        Judgement.BEYOND: "Under {names} no member was found for sure, but they were told from others above chance.",
        Judgement.UNCLEAR: "Under {names} luck may explain the members that were found.",
        Judgement.TOO_FEW: "Under {names} there are too few messages to tell finding members from guessing.",
        Judgement.NOTHING: "Under {names} these attackers found no more members than guessing does; {tested}",
        Judgement.MISSING: "Under {names} no attack has a figure for the members.",
    }

    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        challenge = answer.challenge
        if not isinstance(metric, MembershipMetric):
            raise of_no_known_kind(metric)
        if challenge is None:
            return Measured(reason="nothing tells what the candidates were", fits=False)
        if len(guess) != len(challenge.candidates):
            return Measured(reason=f"the attack scores {len(guess)} candidates of {len(challenge.candidates)}")
        if metric.against not in get_args(Others):
            expected = " or ".join(get_args(Others))
            raise ConfigError(f"metric '{metric.name}': against: expected {expected}, got {echo(metric.against)}")
        others = {"non_members": challenge.non_members, "other_clients": challenge.other_clients}[metric.against]
        if len(others) < metric.fewest:
            there = "there is none" if not len(others) else f"there are {len(others)}"
            return Measured(reason=f"{metric.name} needs {_others(metric)}, {there}", fits=False)
        if not len(challenge.members):
            return Measured(reason="nobody trained on any of the records that are asked about", fits=False)
        scores = ranked(guess)
        return Measured.of(metric.per_member(scores[challenge.members], scores[others]))

    def prior(self, view: View, rng: Generator) -> Tensor | None:  # noqa: ARG002
        """The same score for each candidate: scored by ties, that is what scores drawn at random get in the mean."""
        return None if view.candidates is None else torch.zeros(len(view.candidates))

    def no_access(self, view: View, rng: Generator) -> Tensor | None:
        """The same: drawn at random, answers are right as often as equal ones in the mean, and only less even."""
        return self.prior(view, rng)


def _others(metric: MembershipMetric) -> str:
    few = f"{metric.fewest} or more " if metric.fewest > 1 else ""
    kinds = {
        "non_members": "examples that nobody trained on",
        "other_clients": "examples of other clients in the same round",
    }
    return few + kinds[metric.against]
