"""Spelling: how probable each candidate for a secret is by what a model says comes next, a digit at a time.

Candidates that begin alike share what was said of their beginnings: a tree of windows, in which all secrets of four
digits take 1,111 and not 40,000.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from fedleak.learning.secret_format import MASKED, SecretFormat
from fedleak.learning.text import Text

Said = Callable[[Float[Tensor, "windows length"]], Float64[Tensor, "windows characters"]]
"""The natural logarithm of how probable each character is to come after each window; a row of NaN where nothing is
known, as of questions that a service does not answer any more: the first windows are the likeliest."""
DIGITS = "0123456789"


def windows_asked(format: SecretFormat, *, width: int | None = None, whole: bool = False) -> int:
    """How many windows `spelled` asks about."""
    asked, kept = 0, 1
    for known in format.known:
        asked += kept
        kept = _kept(kept * 10, width) if known == MASKED else kept
    return asked + kept * len(format.after) * whole


def spelled(
    said: Said, space: Text, format: SecretFormat, *, width: int | None = None, whole: bool = False
) -> Float64[Tensor, " candidates"]:
    """The log-probability of each candidate after the text before it; NaN of those that were given up.

    By `width` no more than so many beginnings are gone on with at each digit, the likeliest; None: all. With `whole`
    what is said of the text behind the secret counts too.
    """
    digits = space.encode(DIGITS)
    classes = space.places(digits)
    typed, scores = torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, dtype=torch.float64)
    for known in format.known:
        each = _of_digits(said(_windows(space, format.before, digits[typed])), classes)
        if known == MASKED:
            scores = (scores[:, None] + each).flatten()
            typed = torch.cat([typed.repeat_interleave(10, 0), torch.arange(10).repeat(len(typed))[:, None]], 1)
        else:
            scores = scores + each[:, int(known)]
            typed = torch.cat([typed, torch.full((len(typed), 1), int(known))], 1)
        # The likeliest first, so that questions that are running out are spent on them.
        order = scores.sort(descending=True, stable=True).indices[: _kept(len(scores), width)]
        typed, scores = typed[order], scores[order]
    for place, character in enumerate(format.after if whole else ""):
        behind = space.encode(format.after[:place]).expand(len(typed), -1)
        each = said(_windows(space, format.before, torch.cat([digits[typed], behind], 1)))
        scores = scores + _filled(each)[:, space.places(space.encode(character))[0]]
    found = torch.full((format.candidates,), torch.nan, dtype=torch.float64)
    return found.scatter(0, _places(format, typed), scores)


def _windows(space: Text, before: str, typed: Float[Tensor, "windows typed"]) -> Float[Tensor, "windows length"]:
    """The last characters of the text before the secret and of what is typed of it; in front of the text are spaces."""
    text = space.encode(" " * space.length + before).expand(len(typed), -1)
    return torch.cat([text, typed], 1)[:, -space.length :].contiguous()


def _of_digits(
    said: Float64[Tensor, "windows characters"], classes: Int[Tensor, "10"]
) -> Float64[Tensor, "windows 10"]:
    """Of each digit; where nothing is known all digits alike, together as probable as they usually are."""
    own = said[:, classes]
    known = own.isfinite().all(1, keepdim=True)
    usual = own[known[:, 0]].logsumexp(1).mean() if known.any() else own.new_zeros(())
    return torch.where(known, own, usual - math.log(10))


def _filled(said: Float64[Tensor, "windows characters"]) -> Float64[Tensor, "windows characters"]:
    """With the mean of the others where nothing is known."""
    known = said.isfinite().all(1, keepdim=True)
    usual = said[known[:, 0]].mean(0) if known.any() else said.new_zeros(said.shape[1])
    return torch.where(known, said, usual)


def _kept(beginnings: int, width: int | None) -> int:
    return beginnings if width is None else min(beginnings, width)


def _places(format: SecretFormat, typed: Int[Tensor, "secrets digits"]) -> Int[Tensor, " secrets"]:
    """Where each secret is in the order of candidates."""
    unknown = [place for place, known in enumerate(format.known) if known == MASKED]
    powers = 10 ** torch.arange(len(unknown) - 1, -1, -1)
    return (typed[:, unknown] * powers).sum(1)
