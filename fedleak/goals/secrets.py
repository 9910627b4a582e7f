"""Secrets: which is the secret that a client typed into its text?"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from fedleak.contracts.metric import Metric
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable
from fedleak.goals.answer import Answer
from fedleak.goals.goal import Goal, of_no_known_kind, public_in
from fedleak.goals.judgement import Judgement
from fedleak.goals.measured import Measured
from fedleak.goals.membership import ranked
from fedleak.goals.public_models import said_by_one
from fedleak.learning.spelling import spelled
from fedleak.learning.text import Text


@dataclass(frozen=True, kw_only=True)
class Rank:
    """Where a guess has the secret among all candidates."""

    ahead: int
    """Candidates that it takes for likelier."""
    alike: int
    """Others that it takes for as likely: whoever guesses one of them after the other has them in an order by chance.
    """
    candidates: int


class SecretMetric(Metric):
    """Judges the rank of a secret. A sample is one secret."""

    compares: ClassVar[Kind] = "secrets"

    @abstractmethod
    def of_rank(self, rank: Rank) -> float:
        """The value, in the mean over orders of candidates that are alike."""


def rank_of(guess: Tensor, place: int) -> Rank:
    """The rank of the candidate at a place; one without a score is behind all others."""
    scores = ranked(guess)
    return Rank(
        ahead=int((scores > scores[place]).sum()),
        alike=int((scores == scores[place]).sum()) - 1,
        candidates=len(scores),
    )


class Secrets(Goal):
    """A secret of a known format in a text. Metrics on it are `SecretMetric`s."""

    name: ClassVar[Kind] = "secrets"
    noun: ClassVar[str] = "secret"
    verb: ClassVar[str] = "found"
    guessing: ClassVar[str] = "guesses secrets in texts"
    unguessed: ClassVar[str] = "the attack guesses no secrets"
    hit_or_miss: ClassVar[bool] = True
    blindly: ClassVar[str] = "models that the adversary trains on public text"
    of_examples: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("exposure", "exact-secret")
    sentences: ClassVar[Mapping[Judgement, str]] = {
        Judgement.LEAKED: "The secret that a client typed was found under {names}.",
        Judgement.BEYOND: "Under {names} the secret that a client typed is exposed beyond guessing.",
        Judgement.UNCLEAR: "Under {names} luck may explain how likely the secret was taken for.",
        Judgement.TOO_FEW: "Under {names} there are too few secrets to tell finding them from guessing.",
        Judgement.NOTHING: "Under {names} these attackers took the secret for no likelier than guessing does; {tested}",
        Judgement.MISSING: "Under {names} no attack has a figure for the secret.",
    }

    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        if not isinstance(metric, SecretMetric):
            raise of_no_known_kind(metric)
        if answer.format is None or answer.secret is None:
            return Measured(reason="no secret was typed, or nobody knows which", fits=False)
        if len(guess) != answer.format.candidates:
            return Measured(reason=f"the attack ranks {len(guess)} secrets of {answer.format.candidates}")
        return Measured((metric.of_rank(rank_of(guess, answer.format.place(answer.secret))),))

    def prior(self, view: View, rng: Generator) -> Tensor | None:  # noqa: ARG002
        """All candidates alike: scored in the mean over their orders, which is a rank by chance."""
        return None if view.secret is None else torch.zeros(view.secret.candidates)

    def no_access(self, view: View, rng: Generator) -> Tensor | None:
        """The ranking by a model that the adversary trains on public text, as the federation trains its own.

        Each draw is by one of a few such models. None where there is no public text, or none can be trained.
        """
        if view.secret is None or not isinstance(view, Released | Served) or public_in(view) is None:
            return None
        try:
            said = said_by_one(view, rng)
        except NotApplicable:
            return None
        space = view.task.space
        return spelled(said, space, view.secret).float() if isinstance(space, Text) else None
