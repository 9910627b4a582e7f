"""Answer to a claim: its epsilon under each relation, in a round and over the run, and what is wrong in the setting."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fedleak.accounting.declared import Declared
from fedleak.accounting.relations import RELATIONS, Accounted, Noised, Relation, accounted

Verdict = Literal["holds", "broken", "nothing claimed", "no guarantee"]
MARGIN = 1e-3
"""Share by which a claim may be exceeded: what accountants round up by."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An epsilon of one round, and of all of them, under one relation."""

    relation: Relation
    round: Accounted
    run: Accounted


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What a setting really gives."""

    use: str
    """Class or function that it is of."""
    where: str = ""
    """FILE:LINE that it stands in."""
    protects: Literal["client", "example"]
    against: str
    """Who sees what the figures are about."""
    declared: Declared | None
    rounds: int
    delta: float
    figures: tuple[Figure, ...] = ()
    """One for each relation; none where there is no guarantee."""
    wrong: tuple[str, ...] = ()
    """Mistakes in the setting, a sentence each."""
    mind: tuple[str, ...] = ()
    """What a reader of the declared epsilon may not know, a sentence each."""
    provided: tuple[str, ...] = ()
    """What the figures take for granted and a setting cannot show, a sentence each."""
    also: str = ""
    """What it is worth to others than `against`, and to the other kind of protected."""

    @property
    def title(self) -> str:
        """What it is of, and where it stands."""
        return f"{self.use} ({self.where})" if self.where else self.use

    @property
    def verdict(self) -> Verdict:
        """Whether the declared epsilon is kept under the relation that is kindest to it."""
        if self.declared is None:
            return "nothing claimed"
        if not self.figures:
            return "no guarantee"
        return "broken" if self.least > self.declared.epsilon * (1 + MARGIN) else "holds"

    @property
    def least(self) -> float:
        """The smallest epsilon of all relations, of what the claim is about."""
        whole = self.declared is not None and self.declared.over_run
        return min((one.run if whole else one.round).epsilon for one in self.figures)

    @property
    def kept(self) -> tuple[Relation, ...]:
        """The relations under which the declared epsilon is kept."""
        if self.declared is None:
            return ()
        most = self.declared.epsilon * (1 + MARGIN)
        whole = self.declared.over_run
        return tuple(one.relation for one in self.figures if (one.run if whole else one.round).epsilon <= most)

    @property
    def sentence(self) -> str:
        """The verdict, for a person."""
        if not self.figures:
            return f"No guarantee against {self.against}."
        least = shown(self.least)
        if self.declared is None:
            return f"No epsilon is claimed; it is {least} at best, against {self.against}."
        of = "over the run" if self.declared.over_run else "of a round"
        claim = f"epsilon {self.declared.epsilon:g} {of} (delta {self.declared.delta:g})"
        if self.verdict == "broken":
            return f"Broken: {claim} is claimed, and it is {least} at best."
        kept = self.kept
        under = "under every relation" if len(kept) == len(self.figures) else f"under {' and '.join(kept)} alone"
        return f"Holds {under}: {claim} is claimed, and it is {least} at best."

    def at(self, where: str) -> "Claimed":
        """The same with the place that it was read from."""
        return replace(self, where=where)


def figures_of(parts: Sequence[Noised], rounds: int, delta: float) -> tuple[Figure, ...]:
    """Figures of rounds that are all alike, each made of these parts."""
    run = [replace(one, count=one.count * rounds) for one in parts]
    return tuple(
        Figure(relation=one, round=accounted(parts, delta, one), run=accounted(run, delta, one)) for one in RELATIONS
    )


def shown(epsilon: float) -> str:
    """An epsilon as one reads it: `2.13e+08`, `12.4`, `0.97`."""
    if math.isinf(epsilon):
        return "infinite"
    return f"{epsilon:.3g}"
