"""Verdict: what is measured against what is claimed, in one sentence."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fedleak.accounting.gaussian import epsilon_of
from fedleak.accounting.guarantee import Proven, Unproven
from fedleak.dp_audit.measure import Measured
from fedleak.dp_audit.normal_scores import Estimate, least_mu
from fedleak.dp_audit.probes import Found, corrected
from fedleak.dp_audit.subject import Subject
from fedleak.formatting import figure, percent
from fedleak.results.dp_row import Verdict

_ROUNDING = 1.01
"""By what a bound has to exceed a claim: noise is chosen to a thousandth."""
_SEEN = 1.25
"""A guarantee holds where so many times what is claimed would have been seen."""
_URGENT = (
    *("noise after aggregation", "no noise", "buffers unprotected", "same noise for every client"),
    *("same noise in every round", "noise on a coarse grid", "unequal weights"),
)
"""Causes that are proved by what shows them; the others are found by comparing lengths, and go behind."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict with its cause and its sentence."""

    verdict: Verdict
    cause: str
    sentence: str
    least: float = math.nan
    """Epsilon of one release that all tests show at least."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What is claimed of a subject, as the epsilon of one release at some delta."""

    subject: Subject
    delta: float

    def epsilon(self, mu: float) -> float:
        """Of one release."""
        return epsilon_of(self.delta, mu)

    def run(self, mu: Estimate) -> Estimate:
        """Of all recorded rounds, without credit for sampling."""
        return mu.of(lambda one: epsilon_of(self.delta, one * self.subject.growth))

    @property
    def accounted(self) -> float:
        """Of one release."""
        return self.epsilon(self.subject.mu)

    def broken_by(self, mu: float) -> str:
        """Which claim a lower bound on mu of one release is above, in words; empty: none."""
        if self.epsilon(mu) > _ROUNDING * self.accounted:
            return f"{figure(self.accounted)} is accounted for"
        declared = self.subject.declared
        if declared is None or (declared.over_run and self.subject.mechanism.sample is not None):
            return ""
        times = self.subject.growth if declared.over_run else 1.0
        if epsilon_of(declared.delta, mu * times) > _ROUNDING * declared.epsilon:
            return f"{figure(declared.epsilon)} is declared"
        return ""


def unclaimed(proven: Proven | Unproven) -> Judged:
    """Where nothing is claimed that canaries could be held against."""
    why = proven.reason if isinstance(proven, Unproven) else f"{proven.sentence}, which adds no normal noise"
    return Judged(verdict="no claim", cause="", sentence=f"nothing is claimed that could be measured: {why}")


def judged(claim: Claim, measured: Measured, found: Iterable[Found], confidence: float) -> Judged:
    """The verdict of all tests together at this confidence."""
    each = corrected(confidence)
    bound = least_mu(measured.scores, each)
    tests = [*found]
    least = claim.epsilon(max([bound, *(one.mu for one in tests)]))
    broken = [one for one in tests if one.breaks or claim.broken_by(one.mu)]
    if not broken and not claim.broken_by(bound):
        free = measured.whatever_the_mechanism(claim.delta, each)
        if free <= _ROUNDING * claim.accounted:
            return replace(_unbroken(claim, measured), least=max(least, free))
    first = min(broken, key=_rank, default=None) or next((one for one in tests if one.cause not in _URGENT), tests[-1])
    mu = max(first.mu, bound)
    release = f"epsilon of one release is at least {_shown(claim.epsilon(mu))}"
    above = first.breaks or f"{release} where {claim.broken_by(mu) or 'less is claimed'}"
    return Judged(
        verdict="broken",
        cause=first.cause,
        least=least,
        sentence=f"broken, at {percent(confidence)} confidence: {above}; {first.cause}: {first.sentence}",
    )


def confirmed(first: Judged, second: Judged) -> Judged:
    """The first verdict of broken, if a second measurement with other coins and other noise has it too."""
    if second.verdict == "broken":
        return replace(first, least=min(first.least, second.least))
    return Judged(
        verdict="open",
        cause="",
        sentence=f"cannot be told apart from more: one measurement showed {first.cause}, and another with other coins "
        "did not; take more rounds (a smaller --error)",
        least=second.least,
    )


def _rank(found: Found) -> tuple[int, float]:
    place = _URGENT.index(found.cause) if found.cause in _URGENT else len(_URGENT)
    return place, -found.mu


def _unbroken(claim: Claim, measured: Measured) -> Judged:
    found = measured.mu.epsilon(claim.delta)
    between = f"measured {figure(found.value)} ({figure(found.low)} to {figure(found.high)}) a release"
    if found.high <= _SEEN * claim.accounted:
        return Judged(
            verdict="holds",
            cause="",
            sentence=f"holds: {between} where {figure(claim.accounted)} is accounted for, and no probe shows more",
        )
    return Judged(
        verdict="open",
        cause="",
        sentence=f"cannot be told apart from more: {between} where {figure(claim.accounted)} is accounted for; take "
        "more rounds (a smaller --error)",
    )


def _shown(epsilon: float) -> str:
    return "infinite" if math.isinf(epsilon) else figure(epsilon)
