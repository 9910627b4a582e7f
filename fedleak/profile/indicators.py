"""Indicators of a profile as one number each, to be held against what attacks really got."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from fedleak.profile.layers import LayerProfile
from fedleak.profile.profile import Inside, Profile


@dataclass(frozen=True, kw_only=True)
class Indicator:
    """A number that is told without an attack."""

    name: str
    words: str
    expected: int
    """Whether more of it should mean more leakage (1) or less (-1)."""
    value: Callable[[Profile], float]
    """NaN where it does not apply."""
    log: bool = False
    """Whether it is drawn by its logarithm; ranks do not care."""


def values_of(profile: Profile) -> dict[str, float]:
    """All of them, by name."""
    return {indicator.name: indicator.value(profile) for indicator in INDICATORS}


def _rank_share(profile: Profile) -> float:
    layer = _seeing(profile)
    if layer is None or layer.rank is None or profile.limit is None:
        return math.nan
    # A rank above the batch is noise, and the further above the more of it.
    return min(layer.rank / profile.limit, profile.limit / max(layer.rank, 1))


def _alone_share(profile: Profile) -> float:
    layer = _seeing(profile)
    return math.nan if layer is None or layer.alone is None else layer.alone / profile.examples


def _draws(profile: Profile) -> float:
    layer = _seeing(profile)
    return math.nan if layer is None or layer.draws is None else layer.draws


def _sparsity(profile: Profile) -> float:
    known = [layer.sparsity for layer in profile.layers if layer.sparsity is not None]
    return sum(known) / len(known) if known else math.nan


def _seeing(profile: Profile) -> LayerProfile | None:
    return next((layer for layer in profile.layers if layer.sees_pixels), None)


def _statistics(profile: Profile) -> float:
    exact = profile.batch_norm.leak == "exact"
    return profile.batch_norm.numbers / profile.pixels if exact else 0.0


def _inside(measure: Callable[[Inside], float]) -> Callable[[Profile], float]:
    return lambda profile: math.nan if profile.inside is None else measure(profile.inside)


def _bound(inside: Inside) -> float:
    return inside.fisher.bound(inside.floor.total) if inside.floor.total > 0 else math.inf


def _known_to(inside: Inside) -> float:
    """What noise leaves of the direction in the middle of the spectrum."""
    median = inside.spectrum.median
    return inside.floor.total / median if median > 0 else math.inf


INDICATORS = (
    Indicator(
        name="examples", words="examples in the update", expected=-1, value=lambda p: float(p.examples),
    ),
    Indicator(
        name="entries a pixel", words="gradient entries for each pixel", expected=1,
        value=lambda p: p.parameters / p.pixels, log=True,
    ),
    Indicator(
        name="rank", words="rank of the layer that sees the pixels, over the batch", expected=1, value=_rank_share,
    ),
    Indicator(name="alone", words="share of examples with a neuron of their own", expected=1, value=_alone_share),
    Indicator(name="spear draws", words="draws that SPEAR is expected to need", expected=-1, value=_draws, log=True),
    Indicator(name="relus off", words="share of ReLUs that are off", expected=1, value=_sparsity),
    Indicator(
        name="condition", words="Jacobian: largest over median singular value", expected=-1, log=True,
        value=_inside(lambda i: i.spectrum.largest / i.spectrum.median if i.spectrum.median else math.inf),
    ),
    Indicator(
        name="participation", words="Jacobian: share of directions that move the gradient", expected=1,
        value=_inside(lambda i: i.spectrum.participation),
    ),
    Indicator(
        name="carried", words="share of directions above the noise floor", expected=1,
        value=_inside(lambda i: i.carried.about / i.spectrum.directions),
    ),
    Indicator(
        name="known to", words="error of the median direction at the floor", expected=-1, log=True,
        value=_inside(_known_to),
    ),
    Indicator(
        name="fisher bound", words="Fisher bound on the PSNR of unbiased attackers, dB", expected=1,
        value=_inside(_bound),
    ),
    Indicator(
        name="batch-norm", words="BatchNorm statistics for each pixel", expected=1, value=_statistics,
    ),
)  # fmt: skip
"""The first two are what one knows without measuring: an indicator that foretells no better is not worth its time."""
