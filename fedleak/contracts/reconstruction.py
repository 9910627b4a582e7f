"""Reconstruction: what an attack returns. Its guess, its own loss, and how it got there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from jaxtyping import Bool, Float, Int
from torch import Tensor

from fedleak.contracts.subject import Subject

Kind = Literal["inputs", "labels", "membership", "properties", "representatives", "columns", "secrets", "payload"]
"""What a guess may be about: a field of a `Reconstruction`."""
Trouble = Literal["diverged", "mode", "buffers", "labels", "local-steps", "rank", "unfinished", "plateau", "starved"]


@dataclass(frozen=True)
class TracePoint:
    """The attacker's own loss at one iteration."""

    iteration: int
    loss: float


@dataclass(frozen=True)
class Snapshot:
    """The guess at one iteration, kept so that its quality can be scored after the attack."""

    iteration: int
    inputs: Float[Tensor, "batch *shape"]


@dataclass(frozen=True)
class Diagnosis:
    """What most likely went wrong, told from what the attacker holds: never from the truth."""

    trouble: Trouble
    words: str
    """One sentence: what was seen, and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A guess. The field of a goal (`Kind`) is None where the attack does not guess that.

    A failed attack has none and says why in `failure`; it is scored NaN, never as a black image.
    """

    inputs: Float[Tensor, "batch *shape"] | None = None
    labels: Int[Tensor, "guesses *classes"] | None = None
    """Class indices, or rows of zeros and ones where examples have several labels."""
    mismatch: float = float("nan")
    """The attacker's own loss for this guess, lower is better; NaN where it has none."""
    failure: str | None = None
    certifiable: bool = False
    """Whether the attack had a test for a guess like this one that could have proved it."""
    certificate: str | None = None
    """Where the attack can prove its guess: the test that it passed, in words with its figure. None: a guess."""
    certified: Bool[Tensor, " guesses"] | None = None
    """Beside `inputs`: which of them the attack can prove by itself, where it proves each alone; None: see
    `certificate`, which then is of all of them."""
    fallback: Float[Tensor, "*shape"] | None = None
    """Beside `inputs`: what is guessed of each example that these have no guess for, such as the mean public one, so
    that it counts as not rebuilt; None: it counts as not guessed at."""
    note: str | None = None
    """What to know about a guess that did not fail: how sure it is, or that the attack broke off after it."""
    diagnosis: Diagnosis | None = None
    """Where the attacker can tell by its own figures that this guess is no match: the likeliest cause."""
    membership: Float[Tensor, " candidates"] | None = None
    """For each of the observation's candidates how surely it is behind the update; only the order means something."""
    properties: Float[Tensor, " properties"] | None = None
    """For each property in `contracts.properties` how probable it is that most of the examples have it; NaN: no say.
    Of a model whose view names `shares`: how probable each of them is."""
    representatives: Float[Tensor, "asked *shape"] | None = None
    """For each of the classes that were asked about, in that order, an example of it; a row of NaN: no say."""
    columns: Float[Tensor, "rows *hidden"] | None = None
    """For each of the rows that were asked about its hidden values, as the table has them: of a category, where
    probability 0 is -1 and 1 is 1, one for each value that there is; NaN: no say."""
    label_distribution: Float[Tensor, " classes"] | None = None
    """Beside `labels`: how probable each is of an example behind it; sums to 1. None: as often as it is guessed."""
    secrets: Float[Tensor, " ranked"] | None = None
    """For each candidate for a secret, in their order, how probable it is; only the order means something; NaN: less
    than all others."""
    payload: Float[Tensor, "clients places *shape"] | None = None
    """For each client, in their order, the examples that training code hid of it; NaN: none there, or no say. A single
    one of a single client stands for all."""
    payload_bits: Float[Tensor, "clients bits"] | None = None
    """Beside `payload`: the bits of each client's payload after correction of errors, as 0 and 1; NaN: no say."""
    payload_channel: Float[Tensor, "clients written"] | None = None
    """Beside `payload`: the bits that were written for each client as they were read, before any correction."""
    subject: Subject | None = None
    """Whose examples it is about, as `Attack.subject` says: `fedleak.api.score` goes by it; None: all."""
    trace: tuple[TracePoint, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def guesses(self) -> Mapping[Kind, Tensor]:
        """What is guessed, by goal."""
        fields: dict[Kind, Tensor | None] = {kind: getattr(self, kind) for kind in get_args(Kind)}
        return {kind: guess for kind, guess in fields.items() if guess is not None}

    @classmethod
    def failed(cls, reason: str) -> "Reconstruction":
        """No guess, and why."""
        return cls(failure=reason)
