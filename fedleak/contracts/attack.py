"""The contract of an attack, and the registry that finds attacks by name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Generic, Literal, get_args, get_origin

from torch import Generator
from typing_extensions import TypeVar

from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.plugin import Plugin, Registry
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.subject import Subject
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable
from fedleak.learning.layers import twice_differentiable

Requirement = Literal["others", "candidates", "earlier", "explanations", "predictions", "weights"]
"""A field of a `View` that costs something to fill and is left empty unless an attack requires it."""
Seen = TypeVar("Seen", bound=View, default=Observation, contravariant=True)
"""What an attack looks at."""


class Attack(Plugin, ABC, Generic[Seen]):
    """Turns an observation into a guess, without ever touching the truth.

    What it looks at stands in the brackets, `class MIFace(Attack[Released])`; without them it is an update, an
    `Observation`. `Attack[View]` is a wrapper, which looks at what the attack within it looks at.

    An attack implements `reconstruct`; whoever wants its guess calls `run`. The same observation and an equally seeded
    `rng` give the same guess. The observation is not changed. Where the attack does not apply it raises
    `NotApplicable(reason)`, anywhere within it; any other exception is a bug.
    """

    renamed: ClassVar[Mapping[str, str]] = {"wants": "requires", "answers": "targets"}
    declared: ClassVar[type[View]] = Observation
    """What stands in the brackets of the class or of its nearest base that has some."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in vars(cls).get("__orig_bases__", ()):
            if get_origin(base) is Attack and isinstance(get_args(base)[0], type):
                cls.declared = get_args(base)[0]

    @property
    def sees(self) -> type[View]:
        """What it looks at: a wrapper, what the attack within it does."""
        if self.declared is not View:
            return self.declared
        return next((value.sees for value in vars(self).values() if isinstance(value, Attack)), Observation)

    @property
    def requires(self) -> frozenset[Requirement]:
        """What the attack works on besides one message and public data: here what the attacks within it require."""
        inner = [value for value in vars(self).values() if isinstance(value, Attack)]
        return frozenset(field for attack in inner for field in attack.requires)

    @property
    def reads(self) -> frozenset[str]:
        """Names of the tamperings and manipulations whose doing it reads, one of which it needs; else none."""
        inner = [value for value in vars(self).values() if isinstance(value, Attack)]
        return frozenset(name for attack in inner for name in attack.reads)

    def adapts_to(self, chain: Chain) -> bool:
        """Whether it takes a chain of defenses into account; here: whether an attack within it does."""
        return any(value.adapts_to(chain) for value in vars(self).values() if isinstance(value, Attack))

    def accounts_for(self, chain: Chain) -> bool:
        """The same, also where there is nothing to know but the network: what is hidden is from operators alone."""
        return self.adapts_to(chain) or (len(chain) > 0 and all(not defense.sees_requests for defense in chain))

    @property
    def targets(self) -> frozenset[Kind]:
        """What it guesses: an experiment that names no metrics is scored by those that judge this."""
        return frozenset({"inputs", "labels"})

    def subject(self, view: View) -> Subject | None:
        """Whose examples it guesses at, where not at all that are behind what it sees; here: whose an attack within it
        does. Scoring compares with those alone."""
        inner = (value.subject(view) for value in vars(self).values() if isinstance(value, Attack))
        return next((found for found in inner if found is not None), None)

    @property
    def compares_versions(self) -> bool:
        """Whether it guesses at examples that were trained on between two releases: there are none in the first."""
        return "earlier" in self.requires and bool({"inputs", "labels"} & self.targets)

    def run(self, observation: Seen, rng: Generator) -> Reconstruction:
        """The guess, which says whom it is about; a failed one, with the reason, where the attack does not apply."""
        try:
            with twice_differentiable():
                guess = self.reconstruct(observation, rng)
        except NotApplicable as refusal:
            guess = Reconstruction.failed(str(refusal))
        return replace(guess, subject=self.subject(observation))

    @abstractmethod
    def reconstruct(self, observation: Seen, rng: Generator) -> Reconstruction:
        """The attacker's best guess at what is behind what it sees; raises `NotApplicable` where there is none."""


attacks: Registry[Attack[Any]] = Registry("attack", "fedleak.attacks", renamed={"no-gradient": "no-access"})
