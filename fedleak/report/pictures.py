"""The pictures behind a cell: truth, guess and difference, for its worst case and for a typical image."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fedleak.analysis.judgement import badness
from fedleak.formatting import measured
from fedleak.report.files import Files
from fedleak.report.png import data_uri, difference
from fedleak.results.row import AGGREGATE, Row
from fedleak.statistics.group import Group, group_rows
from fedleak.statistics.summary import Summary

BUDGET = 2_200_000
"""Characters that the pictures of a page may take."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One true example in a row, with its value."""

    row: Row
    place: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Trio:
    """One example three times."""

    title: str
    """`worst case` or `typical`."""
    whose: str
    caption: str
    truth: str
    guess: str
    difference: str


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Behind one cell."""

    trios: tuple[Trio, ...]
    total: int
    """Images that the cell has."""


@dataclass
class Album:
    """Pictures by cell, within a budget: each defense's worst cell comes first, then its next, so a cut is fair."""

    files: Files
    budget: int = BUDGET
    left_out: int = 0
    found: dict[Group, Pictures] = field(default_factory=dict)

    def fill(self, summaries: Iterable[Summary], rows: Iterable[Row]) -> None:
        """Collects the pictures behind the summaries, all by the metric that stands for images."""
        samples = samples_of(rows)
        for summary in fair_order(summaries):
            chosen = chosen_of(samples[summary.group], higher=summary.higher_is_better)
            if not chosen:
                continue
            trios = [] if self.budget <= 0 else [t for title, one in chosen.items() if (t := self._trio(title, one))]
            if not trios:
                self.left_out += 1
                continue
            self.budget -= sum(len(trio.truth) + len(trio.guess) + len(trio.difference) for trio in trios)
            self.found[summary.group] = Pictures(trios=tuple(trios), total=len(samples[summary.group]))

    def _trio(self, title: str, sample: Sample) -> Trio | None:
        truth = self.files.truth(sample.row)
        guess = None if truth is None else self.files.guessed(sample.row, truth)
        if truth is None or guess is None or sample.place >= len(truth):
            return None
        true, guessed = truth.inputs[sample.place], guess[sample.place]
        return Trio(
            title=title,
            whose=whose(sample),
            caption=measured(sample.value, sample.row.unit),
            truth=data_uri(true),
            guess=data_uri(guessed),
            difference=data_uri(difference(guessed, true)),
        )


def samples_of(rows: Iterable[Row]) -> dict[Group, list[Sample]]:
    """Every scored example, by group."""
    return {
        group: [
            Sample(row=row, place=place, value=value)
            for row in own
            for place, value in enumerate(row.per_sample)
            if not math.isnan(value)
        ]
        for group, own in group_rows(rows).items()
    }


def chosen_of(samples: Sequence[Sample], *, higher: bool) -> dict[str, Sample]:
    """The example that leaked most, and the middle one of the rest."""
    order = sorted(samples, key=lambda sample: sample.value, reverse=higher)
    if not order:
        return {}
    middle = order[len(order) // 2]
    return {"worst case": order[0]} | ({"typical": middle} if middle is not order[0] else {})


def fair_order(summaries: Iterable[Summary]) -> list[Summary]:
    """Each defense's worst summary, then each one's second, and so on."""
    turn: Counter[str] = Counter()
    ranked = []
    for summary in sorted(summaries, key=badness):
        ranked.append((turn[summary.group.defense], summary))
        turn[summary.group.defense] += 1
    return [summary for _, summary in sorted(ranked, key=lambda pair: pair[0])]


def whose(sample: Sample) -> str:
    """Which example it is: its message, and its place there where that has several."""
    example = f", example {sample.place}" if len(sample.row.per_sample) > 1 else ""
    return message_words(sample.row) + example


def message_words(row: Row) -> str:
    """`client 2, round 1, seed 5`."""
    sender = "the cohort" if row.client == AGGREGATE else f"client {row.client}"
    return f"{sender}, round {row.round}, seed {row.seed}"
