"""Answer: the truth that guesses are compared with, as scoring alone knows it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden
from fedleak.learning.secret_format import SecretFormat

SPACED = 500
"""Private examples of a class whose distance to their nearest other is measured, at most."""


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """Candidates in an order that tells nothing, and which of them are what: only scoring may see that."""

    candidates: Batch
    members: Int[Tensor, " members"]
    """The place of each true example among the candidates, in the order of the truth; of a model in any, and maybe not
    of all."""
    other_clients: Int[Tensor, " others"]
    """Places of examples that other clients trained on in the same round."""
    non_members: Int[Tensor, " non_members"]
    """Places of examples that nobody trained on in a recorded round."""


@runtime_checkable
class Judges(Protocol):
    """Classifiers of different make that nothing which is attacked had a part in: for scoring alone."""

    @property
    def doubt(self) -> str | None:
        """What to know about their verdicts where one of them errs often, as a clause; None where none does."""

    def know(self, label: int) -> bool:
        """Whether they learnt of the class at all; one that they did not is in no image for them."""

    def convinced(self, image: Float[Tensor, "*shape"], label: int) -> tuple[bool, ...]:
        """Of each judge whether it takes the image for one of the class."""


def no_judges() -> Judges:
    """Where nobody is there to judge."""
    raise NotApplicable("nobody is there to judge what an image shows; give the task's data set")


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One class that the adversary was asked about, with what is true of it."""

    label: int
    private: Batch
    """The private examples of the class."""
    blind: Float[Tensor, "guesses *shape"]
    """What is guessed of it without access: the prior's guess first, then every draw of public examples."""
    known: bool
    """Whether the adversary's public data has examples of it, so that nothing was to be gained."""
    judges: Callable[[], Judges]
    """Raises `NotApplicable` where there are none. Asked for where they are needed: to train them takes a while."""

    @cached_property
    def unjudged(self) -> str | None:
        """Why judges tell nothing of this class, as a clause; None where they do."""
        judges = self.judges()
        if not judges.know(self.label):
            return f"the judges never saw class {self.label}"
        if len(self.blind) and all(judges.convinced(self.blind[0], self.label)):
            return f"the judges take what is guessed of class {self.label} without access for one of it already"
        return None

    def nearest(self, images: Float[Tensor, "images *shape"]) -> Float64[Tensor, " images"]:
        """The mean squared error of each, in units of the range, to the private example that is nearest to it."""
        return self._errors(images).amin(0)

    @cached_property
    def best_blind(self) -> float:
        """How near the best of the blind guesses comes."""
        return float(self.nearest(self.blind).amin()) if len(self.blind) else float("inf")

    @cached_property
    def spacing(self) -> Float64[Tensor, " examples"]:
        """The same for real ones: of up to `SPACED` private examples each to its nearest other; none of a single one.

        Copies of an example are 0 apart.
        """
        if len(self.private) < 2:
            return torch.zeros(0, dtype=torch.float64)
        some = self.private.inputs[:SPACED]
        errors = self._errors(some)
        errors[torch.arange(len(some)), torch.arange(len(some))] = torch.inf
        return errors.amin(0)

    def _errors(self, images: Float[Tensor, "images *shape"]) -> Float64[Tensor, "private images"]:
        space = self.private.space
        squares = space.distances(images.double(), self.private.inputs.double())
        return squares / (images[0].numel() * space.extent**2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What is true of what an attack saw. Each goal takes of it what it asks about."""

    truth: Batch
    """The examples behind what was seen."""
    challenge: Challenge | None = None
    """Which candidates are behind it, where the attack was asked about candidates."""
    classes: tuple[int, ...] = ()
    """The classes that the adversary was asked to give a representative of."""
    hidden: tuple[str, ...] = ()
    """The columns of the candidates that the adversary was asked about."""
    places: tuple[int, ...] = ()
    """The same of images, which have columns of pixels."""
    hides_labels: bool = False
    """Whether it was asked about the labels of the candidates, and no columns."""
    asked_property: str = ""
    """What a share of the truth has, where the adversary was asked which."""
    shares: tuple[float, ...] = ()
    """The shares that it tells apart."""
    format: SecretFormat | None = None
    """What the adversary was told of a secret."""
    secret: str | None = None
    """The secret that was typed into a text."""
    payloads: tuple[Hidden, ...] = ()
    """What training code hid of each client."""
    private: Batch | None = None
    """The private examples that representatives are compared with; None: the truth."""
    public: Batch | None = None
    """What the adversary holds of public data."""
    blind: tuple[Float[Tensor, "asked *shape"], ...] = ()
    """The representatives that are guessed without access."""
    judges: Callable[[], Judges] = no_judges

    @property
    def owned(self) -> Batch:
        """The private examples that representatives are of."""
        return self.truth if self.private is None else self.private

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """The classes that were asked about; only where an example has one label."""
        return tuple(self._subject(place, label) for place, label in enumerate(self.classes))

    def _subject(self, place: int, label: int) -> Subject:
        own = self.owned[torch.nonzero(self.owned.labels == label).flatten()]
        guesses = [guess[place] for guess in self.blind]
        return Subject(
            label=label,
            private=own,
            blind=torch.stack(guesses) if guesses else own.inputs[:0],
            known=self.public is not None and bool((self.public.labels == label).any()),
            judges=self.judges,
        )
