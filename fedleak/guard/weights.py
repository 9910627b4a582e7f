"""Rules on weights: how far they may be from what came, and how finely they may say so."""

from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np

from fedleak.guard.arrays import Elements, Pair
from fedleak.guard.journal import Refused, figure
from fedleak.guard.policy import Arrays

ROUNDINGS = 2.0
"""Units in the last place by which a sum of a weight and a multiple may be off."""


@dataclass(frozen=True)
class Change:
    """What an array of fractions changed by, and whether the norm counts it."""

    pair: Pair
    counted: bool

    @property
    def name(self) -> str:
        return self.pair.name

    @property
    def difference(self) -> Elements:
        return self.pair.difference


def changes_of(pairs: list[Pair], rules: Arrays) -> list[Change]:
    """The changes of all arrays of fractions; raises `Refused` where one is not finite, as it came or as it leaves."""
    fractions = [pair for pair in pairs if pair.before.dtype.kind == "f" and not pair.named(rules.counters)]
    for pair in fractions:
        if not _finite(pair.after):
            count = pair.after.size - int(np.isfinite(pair.after).sum())
            raise Refused("arrays: finite", f"'{pair.name}' has values that are not finite", f"{count} of them")
        if not _finite(pair.before):
            raise Refused("arrays: finite", f"'{pair.name}' came with values that are not finite")
    parameters = rules.norm_of == "parameters"
    return [Change(pair, not (parameters and pair.named(rules.buffers))) for pair in fractions]


def _finite(array: Elements) -> bool:
    """Whether all values are: a sum of squares that is finite has no other, and one that is not may be large alone."""
    return isfinite(_squares(array)) or bool(np.isfinite(array).all())


def _squares(array: Elements) -> float:
    single = array.astype(np.float32) if array.dtype.itemsize < np.dtype(np.float32).itemsize else array
    return float(np.vdot(single, single))


def norm_of(arrays: list[Elements]) -> float:
    """The Euclidean norm of all arrays together."""
    return sqrt(sum(_squares(array) for array in arrays))


def hold(changes: list[Change], rules: Arrays) -> None:
    """Raises `Refused` where changes break a rule."""
    _hold_norm(changes, rules)
    for change in changes:
        _hold_entries(change, rules)
    _hold_sparsity(changes, rules)


def _hold_norm(changes: list[Change], rules: Arrays) -> None:
    norm = norm_of([change.difference for change in changes if change.counted])
    if rules.max_distance is not None and changes:
        came = norm_of([change.pair.before for change in changes if change.counted])
        if not norm <= rules.max_distance * came:
            far = figure(norm / came) if came else "any number of"
            reason = f"the weights are away from those that came by {far} times the norm of these, and training takes"
            raise Refused("arrays.max_distance", f"{reason} them at most {figure(rules.max_distance)} times")
    if rules.max_norm is not None and not norm <= rules.max_norm:
        reason = f"the change has a norm of {figure(norm)}, and at most {figure(rules.max_norm)} may leave"
        raise Refused("arrays.max_norm", reason)
    if rules.min_norm is not None and changes and not norm > rules.min_norm:
        reason = f"the change has a norm of {figure(norm)}, and more than {figure(rules.min_norm)} is a training's"
        raise Refused("arrays.min_norm", reason)


def _hold_entries(change: Change, rules: Arrays) -> None:
    if rules.max_entry is not None and change.difference.size:
        largest = max(float(change.difference.max()), -float(change.difference.min()))
        if not largest <= rules.max_entry:
            reason = (
                f"'{change.name}' has a value that changed by {figure(largest)}, at most {figure(rules.max_entry)} may"
            )
            raise Refused("arrays.max_entry", reason)
    if rules.multiple_of is not None:
        difference = np.subtract(change.pair.after, change.pair.before, dtype=np.float64)
        off = np.abs(difference - np.round(difference / rules.multiple_of) * rules.multiple_of)
        allowed = ROUNDINGS * np.spacing(np.maximum(np.abs(change.pair.after), np.abs(change.pair.before)))
        fine = int(np.count_nonzero(~(off <= allowed)))
        if fine:
            reason = f"'{change.name}' has {figure(fine)} changes that are no multiples of {figure(rules.multiple_of)}"
            raise Refused("arrays.multiple_of", reason)


def _hold_sparsity(changes: list[Change], rules: Arrays) -> None:
    size = sum(change.difference.size for change in changes)
    if rules.max_changed is None or not size:
        return
    share = sum(int(np.count_nonzero(change.difference)) for change in changes) / size
    if share > rules.max_changed:
        reason = f"a share of {figure(share)} of all values changed, at most {figure(rules.max_changed)} may"
        raise Refused("arrays.max_changed", reason)
