"""Errors that fedleak raises itself, each one sentence: what was expected, what came, what to do.

FedleakError            exit status 1: something failed
├── FederationError     a client or the protocol failed while the federation ran
│   └── Dropout         a client left a round, as the experiment asks
│       └── ModelRefused    or as its checks of the model that it was sent ask
├── BoundError          a result beats what is proved to be possible, so something in the run is wrong
├── NotApplicable       an attack says why it has no guess at an update; `Attack.run` makes a failed guess of it
└── UserError           exit status 2: the input is at fault, and can be mended
    ├── ConfigError     an unknown name or key, a value of the wrong type or out of range
    ├── DataError       a data set or checkpoint that is missing or unreadable
    ├── RecordingError  a recording, vault or run folder that is truncated or not one of ours
    ├── OutputError     an output folder that is full, read-only or in use
    ├── NonFiniteError  a model whose loss or weights became NaN or infinite
    └── ServiceError    a prediction API that cannot be reached, or answers with what is no answer
"""

import difflib
from collections.abc import Iterable
from textwrap import shorten
from typing import ClassVar

LONGEST_REASON = 300
"""Characters of an error that is not ours; the whole is in its traceback."""
LONGEST_ECHO = 80
"""Characters of a user's value that are said back."""


class FedleakError(Exception):
    """Something failed; the message is one sentence for a person."""

    exit_status: ClassVar[int] = 1


class FederationError(FedleakError):
    """A client or the protocol failed while the federation ran."""


class Dropout(FederationError):  # noqa: N818  no error: it is asked for
    """A client left a round, as the experiment asks."""


class ModelRefused(Dropout):
    """A client left a round because of what its checks saw in the model that it was sent."""


class BoundError(FedleakError):
    """A result beats what is proved to be possible, so something in the run is wrong."""


class NotApplicable(FedleakError):  # noqa: N818  a result, not an error: it is caught in one place
    """An attack, or a part of it, does not apply to what was observed; the message is the reason, for a person."""


class UserError(FedleakError):
    """The input is at fault and can be mended."""

    exit_status: ClassVar[int] = 2


class ConfigError(UserError):
    """An unknown name or key, a value of the wrong type or out of range."""


class DataError(UserError):
    """A data set or checkpoint that is missing or unreadable."""


class RecordingError(UserError):
    """A recording, vault or run folder that is truncated or not one of ours."""


class OutputError(UserError):
    """An output folder that is full, read-only or in use."""


class NonFiniteError(UserError):
    """A model whose loss or weights became NaN or infinite."""


class ServiceError(UserError):
    """A prediction API that cannot be reached, or answers with what is no answer."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known word, or the list of what there is."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there is {', '.join(names)}" if names else ""


def echo(value: object) -> str:
    """A user's value in one line, as long as a sentence bears."""
    text = repr(value)
    return text if len(text) <= LONGEST_ECHO else f"{text[: LONGEST_ECHO - 2]} …"


def sentence(error: BaseException) -> str:
    """An exception as a reason: our own errors are sentences already, others get their type and their first line."""
    if isinstance(error, FedleakError):
        return str(error)
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {shorten(first, LONGEST_REASON, placeholder=' …')}"


def first_line(error: BaseException) -> str:
    """What somebody else's exception says, to stand within a sentence of ours; its type where it says nothing."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return shorten(first, LONGEST_REASON, placeholder=" …").rstrip(". ")
