"""Unseen attacks: which stay below all detectors, and after how many queries the others are blocked, in words."""

import math

from fedleak.formatting import counted, listed, number
from fedleak.traffic.audit import AttackTraffic, Audit
from fedleak.traffic.detection import Detection

TOLD = 4
"""Attacks that are named: those that ask most."""


def unseen_in_words(audit: Audit) -> str:
    """Names the attacks that no detector tells from benign users at 1% false alarms, or the one that comes closest."""
    if not audit.traffic:
        return "The operator saw ciphertexts or shares alone, so that no detector can judge what was asked."
    below = audit.unseen
    if below:
        verb = "stays" if len(below) == 1 else "stay"
        told = [_told(one) for one in sorted(below, key=lambda one: -one.queries)[:TOLD]]
        rest = [f"{len(below) - TOLD} more that ask no more than these"] if len(below) > TOLD else []
        return f"{counted(len(below), 'attack')} {verb} below all detectors: {'; '.join([*told, *rest])}."
    closest = min(audit.traffic, key=lambda one: max(found.caught.mean for found in one.detections))
    return f"No attack stays below all detectors; the least seen is {_told(closest)}."


def _told(one: AttackTraffic) -> str:
    caught = [
        f"{found.detector} catches {number(found.caught.mean)}{_at_most(found.caught.interval.high)}"
        f" of its {'accounts' if found.judges == 'users' else 'queries'}"
        for found in one.detections
    ]
    blocking = [found for found in one.detections if found.judges == "users" and found.blocked]
    blocked = [f"; as it is by default {found.detector} blocks {found.blocked} of {one.cells}" for found in blocking]
    return f"{one.name}, of which at 1% false alarms {listed(caught)}{''.join(blocked)}"


def _at_most(high: float) -> str:
    return "" if math.isnan(high) else f" (95%: at most {number(high)})"


def blocked_in_words(found: Detection) -> str:
    """`120`, or `never` where in half of the cells or more nothing is refused."""
    return "never" if math.isinf(found.blocked_after) else f"{found.blocked_after:,.0f}"
