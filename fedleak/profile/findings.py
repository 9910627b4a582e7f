"""Findings: what the indicators say, in sentences that a designer of the system can act on."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from fedleak.formatting import figure
from fedleak.profile.layers import LayerProfile
from fedleak.profile.profile import KNOWN, Inside, Profile

State = Literal["reachable", "partly reachable", "not known to be reachable"]
"""Nothing here is ever proved to be out of an attacker's reach: an indicator names a way in and its price, or knows of
none. Source: both have been wrong before, see SPEAR++, https://arxiv.org/abs/2510.24200, which does not draw as SPEAR
does, and TIGER, https://arxiv.org/abs/2606.18312, which works through noise."""
DRAWS_A_SECOND = 1e5
"""Of SPEAR on one core, about."""
A_DAY = 86_400.0
"""Seconds up to which draws count as a price that somebody pays."""
OPEN = 0.9
"""Share of the directions from which on the images are called reachable, not in part alone."""
DECIBELS = 20.0
"""The bound that a noise is named for."""
UNBIASED = "for unbiased attackers only; one that knows what images look like can do better"


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
        matching = () if profile.discrete else ("inverting-gradients",)  # of texts there is no slope to follow
        words = (
            "no linear layer sees the pixels, so no batch is read off a factor of its gradient; matching the whole "
            f"gradient was not tried here{_advice(matching, known)}"
        )
        return Finding(indicator="rank", state="not known to be reachable", words=words)
    if layer.rank is None or profile.limit is None:
        words = f"'{layer.name}' sees the pixels, but nobody can say what rank its gradient should have"
        return Finding(indicator="rank", state="not known to be reachable", words=words)
    state, words = _rank_words(layer.rank, profile.limit, known)
    return Finding(
        indicator="rank", state=state, words=f"the gradient of '{layer.name}', which sees the pixels, {words}"
    )


def _rank_words(rank: int, limit: int, known: Collection[str]) -> tuple[State, str]:
    if rank > limit:
        return (
            "not known to be reachable",
            f"has rank {rank}, above the {_examples(limit)}: there is noise in it, and nothing that factors gradients "
            "through noise (TIGER, https://arxiv.org/abs/2606.18312) was tried",
        )
    if rank < limit:
        return "partly reachable", f"has rank {rank} of {_examples(limit)}: so many it tells apart by itself"
    exact = ("analytic-linear", "spear") if limit > 1 else ("analytic-linear",)
    return "reachable", f"has rank {rank} = the batch: exact attacks apply{_advice(exact, known)}"


def _alone(profile: Profile, known: Collection[str]) -> Iterator[Finding]:
    for layer in _seeing(profile):
        if layer.alone is None:
            continue
        expected = profile.inside.expected_alone if profile.inside is not None else None
        random = f" (of a random batch {figure(expected)})" if expected is not None else ""
        state, price = _quotient(layer, profile, known)
        words = (
            f"{layer.alone} of {_examples(profile.examples)}{random} have a neuron of '{layer.name}' that they alone "
            f"switch on: {price}"
        )
        yield Finding(indicator="alone", state=state, words=words)


def _quotient(layer: LayerProfile, profile: Profile, known: Collection[str]) -> tuple[State, str]:
    if not layer.alone:
        return "not known to be reachable", "what several neurons say together was not tried"
    if layer.rank is not None and profile.limit is not None and layer.rank > profile.limit:
        return "not known to be reachable", "the quotient is the image under noise; taking that off was not tried"
    price = f"the image is one division{_advice(('analytic-linear',), known)}"
    return _share_state(layer.alone / profile.examples, 1.0), price


def _draws(profile: Profile, known: Collection[str]) -> Iterator[Finding]:
    for layer in _seeing(profile):
        if layer.draws is None:
            continue
        seconds = layer.draws / DRAWS_A_SECOND
        state: State = "reachable" if seconds <= A_DAY else "not known to be reachable"
        yield Finding(
            indicator="draws", state=state, words=f"{_price(layer.draws, seconds)}{_advice(('spear',), known)}"
        )


def _price(draws: float, seconds: float) -> str:
    other = "descents, which do not draw (SPEAR++, https://arxiv.org/abs/2510.24200), were not tried"
    if math.isinf(draws):
        return (
            f"no number of SPEAR's draws separates the batch, for an example switches on nothing or too much; {other}"
        )
    if seconds > A_DAY:
        days = f"{seconds / A_DAY:,.0f} days at {DRAWS_A_SECOND:,.0f} a second"
        return f"SPEAR needs about {draws:.0e} draws, {days}; {other}"
    return f"SPEAR needs about {draws:,.0f} draws to separate the batch, about {max(seconds, 1):,.0f} s"


def _share_state(share: float, whole: float) -> State:
    return "reachable" if share >= whole else "partly reachable" if share > 0 else "not known to be reachable"


def _inside(profile: Profile) -> Iterator[Finding]:
    inside = profile.inside
    if inside is None:
        words = (
            f"of {profile.discrete}, which cannot change little by little, there is no Jacobian or Fisher information"
            if profile.discrete
            else "without the vault beside the recording nothing is known of activations, Jacobian, Fisher information"
        )
        yield Finding(indicator="truth", state="not known to be reachable", words=words)
        return
    share = inside.carried.about / inside.spectrum.directions
    rest = "how hard they are to find is not said" if share else "what images look like was not used"
    words = f"the update carries {carried_words(inside)}; {rest}"
    yield Finding(indicator="jacobian", state=_share_state(share, OPEN), words=words)
    yield _fisher(inside)


def _fisher(inside: Inside) -> Finding:
    floor = inside.floor.total
    noise = inside.fisher.noise_for(DECIBELS) * inside.scale
    if noise == 0.0:
        words = "to first order the gradient does not depend on the pixels at all; what images look like was not used"
        return Finding(indicator="fisher", state="not known to be reachable", words=words)
    bound = inside.fisher.bound(floor) if floor else math.inf
    if bound <= DECIBELS:
        words = f"under this noise none gets beyond {figure(bound)} dB in the mean ({UNBIASED})"
        return Finding(indicator="fisher", state="not known to be reachable", words=words)
    words = (
        f"Gaussian noise of std {noise:.0e} on the sent weights would be a bound of {DECIBELS:.0f} dB in the mean, "
        f"now it is {figure(bound)} dB ({UNBIASED})"
    )
    return Finding(indicator="fisher", state="reachable", words=words)


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
        yield Finding(indicator="batch-norm", state="reachable", words=words)
        return
    sentences: dict[str, tuple[State, str]] = {
        "mixed": (
            "partly reachable",
            f"BatchNorm's buffers give {own.numbers:,} numbers, weighted means over several batches",
        ),
        "frozen": (
            "not known to be reachable",
            f"BatchNorm's buffers did not move in {own.layers} layers (eval mode); what the gradients of these layers "
            "say was not looked at",
        ),
        "withheld": (
            "not known to be reachable",
            f"the buffers of {own.layers} BatchNorm layers were withheld; what the other layers' gradients say of the "
            "batch's statistics was not looked at",
        ),
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
