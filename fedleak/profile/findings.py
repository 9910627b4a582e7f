"""Findings: what the indicators say, in sentences that a designer of the system can act on."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from fedleak.formatting import figure
from fedleak.profile.layers import LayerProfile
from fedleak.profile.profile import KNOWN, Inside, Profile

State = Literal["leaks", "partly", "hidden", "unknown"]
OUT_OF_REACH = 1e10
"""Draws beyond which an attack that needs them is no threat for now: a machine draws some 1e5 a second."""
OPEN, CLOSED = 0.9, 0.1
"""Shares of the directions from which on, and up to which, the images are called open and hidden."""
DECIBELS, HIDDEN_DECIBELS = 20.0, 10.0
"""Bounds: the one that a noise is named for, where small photos are hard to recognize; and about what guessing gets."""
UNBOUND = "one that knows what images look like may do better"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One sentence."""

    indicator: str
    state: State
    words: str


def findings(profile: Profile, known: Collection[str]) -> tuple[Finding, ...]:
    """A sentence for each indicator; `known` are the attacks that there are, so that only those are advised."""
    return (
        _rank(profile, known),
        *_alone(profile, known),
        *_draws(profile, known),
        *_inside(profile),
        *_batch_norm(profile),
    )


def _rank(profile: Profile, known: Collection[str]) -> Finding:
    layer = next((layer for layer in profile.layers if layer.sees_pixels), None)
    if layer is None:
        words = (
            "no linear layer sees the pixels, so reading the batch off a factor of its gradient does not apply; "
            f"matching the whole gradient does{_advice(('inverting-gradients',), known)}"
        )
        return Finding(indicator="rank", state="unknown", words=words)
    if layer.rank is None or profile.limit is None:
        words = f"'{layer.name}' sees the pixels, but nobody can say what rank its gradient should have"
        return Finding(indicator="rank", state="unknown", words=words)
    state, words = _rank_words(layer.rank, profile.limit, known)
    return Finding(
        indicator="rank", state=state, words=f"the gradient of '{layer.name}', which sees the pixels, {words}"
    )


def _rank_words(rank: int, limit: int, known: Collection[str]) -> tuple[State, str]:
    if rank > limit:
        return "hidden", f"has rank {rank}, above the {_examples(limit)}: noise fills it, and hides the exact factors"
    if rank < limit:
        return "partly", f"has rank {rank} of {_examples(limit)}: so many at most can be told apart"
    exact = ("analytic-linear", "spear") if limit > 1 else ("analytic-linear",)
    return "leaks", f"has rank {rank} = the batch: exact attacks apply{_advice(exact, known)}"


def _alone(profile: Profile, known: Collection[str]) -> Iterator[Finding]:
    for layer in _seeing(profile):
        if layer.alone is None:
            continue
        expected = profile.inside.expected_alone if profile.inside is not None else None
        random = f" (of a random batch {figure(expected)})" if expected is not None else ""
        state: State = "leaks" if layer.alone == profile.examples else "partly" if layer.alone else "hidden"
        words = (
            f"{layer.alone} of {_examples(profile.examples)}{random} have a neuron of '{layer.name}' that they alone "
            f"switch on: its quotient is the image{_advice(('analytic-linear',), known) if layer.alone else ''}"
        )
        yield Finding(indicator="alone", state=state, words=words)


def _draws(profile: Profile, known: Collection[str]) -> Iterator[Finding]:
    for layer in _seeing(profile):
        if layer.draws is None:
            continue
        if layer.draws > OUT_OF_REACH:
            words = f"SPEAR would need about {layer.draws:.0e} draws: out of reach for now"
            yield Finding(indicator="draws", state="hidden", words=words)
            continue
        words = f"SPEAR needs about {layer.draws:,.0f} draws to separate the batch{_advice(('spear',), known)}"
        yield Finding(indicator="draws", state="leaks", words=words)


def _inside(profile: Profile) -> Iterator[Finding]:
    inside = profile.inside
    if inside is None:
        words = (
            "without the vault beside the recording nothing is known of activations, Jacobian and Fisher information"
        )
        yield Finding(indicator="truth", state="unknown", words=words)
        return
    share = inside.carried.about / inside.spectrum.directions
    state: State = "leaks" if share >= OPEN else "hidden" if share <= CLOSED else "partly"
    yield Finding(indicator="jacobian", state=state, words=f"the update carries {carried_words(inside)}")
    yield _fisher(inside)


def _fisher(inside: Inside) -> Finding:
    floor = inside.floor.total
    noise = inside.fisher.noise_for(DECIBELS) * inside.scale
    if noise == 0.0:
        words = "the gradient does not depend on the pixels at all"
        return Finding(indicator="fisher", state="hidden", words=words)
    bound = inside.fisher.bound(floor) if floor else math.inf
    if bound <= DECIBELS:
        state: State = "hidden" if bound <= HIDDEN_DECIBELS else "partly"
        words = f"under this noise no unbiased attack gets beyond {figure(bound)} dB in the mean; {UNBOUND}"
        return Finding(indicator="fisher", state=state, words=words)
    words = (
        f"Gaussian noise of std {noise:.0e} on the sent weights would hold any unbiased attack to "
        f"{DECIBELS:.0f} dB in the mean, now it is {figure(bound)} dB; {UNBOUND}"
    )
    return Finding(indicator="fisher", state="leaks", words=words)


def carried_words(inside: Inside) -> str:
    """`12,288 of 12,288 input directions (at least 11,452) to within 0.1`."""
    low, about, high = inside.carried
    bounds = "" if low == high else f" (between {low:,} and {high:,})"
    of = f"{about:,} of {inside.spectrum.directions:,} input directions{bounds}"
    return f"{of} above its noise floor, known to within {KNOWN:g} of a pixel's range"


def _batch_norm(profile: Profile) -> Iterator[Finding]:
    own = profile.batch_norm
    if own.leak == "none":
        return
    if own.leak == "exact":
        off = f", recovered to {own.error:.0e} of a deviation" if own.error is not None else ""
        words = (
            f"BatchNorm's buffers give the batch's own mean and variance in each channel: {own.numbers:,} numbers{off}"
        )
        yield Finding(indicator="batch-norm", state="leaks", words=words)
        return
    sentences: dict[str, tuple[State, str]] = {
        "mixed": ("partly", f"BatchNorm's buffers give {own.numbers:,} numbers, weighted means over several batches"),
        "frozen": ("hidden", f"BatchNorm's buffers did not move in {own.layers} layers (eval mode): they tell nothing"),
        "withheld": ("hidden", f"the buffers of {own.layers} BatchNorm layers were withheld: they tell nothing"),
    }
    state, words = sentences[own.leak]
    yield Finding(indicator="batch-norm", state=state, words=words)


def _seeing(profile: Profile) -> Iterator[LayerProfile]:
    return (layer for layer in profile.layers if layer.sees_pixels)


def _advice(names: tuple[str, ...], known: Collection[str]) -> str:
    there = [name for name in names if name in known]
    return f"; try {' or '.join(there)}" if there else ""


def _examples(count: int) -> str:
    return f"{count} example" if count == 1 else f"{count} examples"
