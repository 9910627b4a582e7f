"""Causes of a broken guarantee, named by what canaries of several kinds make of it."""

from dataclasses import dataclass
from typing import Literal

from fedleak.accounting.mechanism import Mechanism
from fedleak.formatting import figure

Cause = Literal[
    "sensitivity apart from the clip",
    "noise after aggregation",
    "no noise",
    "same noise for every client",
    "same noise in every round",
    "participation is no secret",
    "replace-one forgotten",
    "unequal weights",
    "buffers unprotected",
    "noise before the clip",
    "clipped layer by layer",
    "noise on a coarse grid",
    "nothing bounds the update",
    "too little noise",
    "more than is accounted for",
]
_MORE = 1.05
"""By what a figure that is exact has to exceed another to count as more."""
_SILENT = 1e-5
"""Noise as a share of what is claimed that is rounding."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What canaries of several kinds contribute to a message, and the noise beside them."""

    given: float
    """Norm of the longest contributions, before the clip."""
    whole: float
    """A contribution over all entries alike, long before the clip."""
    longer: float
    """The same, of the longest."""
    layers: float
    """One that is as long in every tensor."""
    layer: float
    """One in a single tensor."""
    quiet: float
    """Noise of an entry where nothing is contributed."""
    loud: float
    """Noise of an entry beside the longest contribution."""
    later: float = 0.0
    """Noise of an entry of the next model, of all clients, where messages are looked at."""


def named(evidence: Evidence, claimed: Mechanism) -> tuple[Cause, str]:
    """The most likely cause of more than is claimed, and a sentence with its figures."""
    longest = max(evidence.whole, evidence.longer, evidence.layers, evidence.layer)
    if evidence.quiet <= _SILENT * claimed.noise:
        return _no_noise(evidence)
    if evidence.loud * _MORE < evidence.quiet:
        shrunk = f"{figure(evidence.quiet)} beside nothing, {figure(evidence.loud)} beside a long update"
        return "noise before the clip", f"the clip shrinks the noise along with the update ({shrunk})"
    if evidence.layers > _MORE * claimed.contribution and evidence.layers > _MORE * evidence.layer:
        each = f"{figure(evidence.layer)} in one tensor, {figure(evidence.layers)} over all"
        return "clipped layer by layer", f"each tensor is clipped by itself, so that a whole update is longer ({each})"
    if evidence.longer > evidence.given / 2:
        return "nothing bounds the update", "the longer an update, the more of it leaves; nothing clips it"
    if longest > _MORE * claimed.contribution:
        return (
            "sensitivity apart from the clip",
            f"updates of norm {figure(longest)} leave, and the noise is reckoned for {figure(claimed.contribution)}",
        )
    if _MORE * claimed.sensitivity < 2 * min(longest, claimed.contribution):
        return (
            "replace-one forgotten",
            f"an update can be the opposite, {figure(2 * longest)} away, and the noise is reckoned for "
            f"{figure(claimed.sensitivity)}",
        )
    if evidence.quiet * _MORE < claimed.noise:
        less = f"{figure(evidence.quiet)} an entry, {figure(claimed.noise)} are claimed"
        return "too little noise", f"there is less noise than is claimed ({less})"
    return "more than is accounted for", "no probe says why; the setting claims more than the code does"


def _no_noise(evidence: Evidence) -> tuple[Cause, str]:
    if evidence.later > _SILENT * evidence.whole:
        return (
            "noise after aggregation",
            "single messages carry no noise, the model that is made of them does: it hides nothing from the server",
        )
    return "no noise", "what is seen carries no noise"
