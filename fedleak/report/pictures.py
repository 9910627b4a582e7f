"""Pictures behind a cell: truth, guess and difference, for its worst case and for a typical image, as PNG."""

import base64
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from fedleak.analysis.judgement import badness
from fedleak.contracts.observation import Observation
from fedleak.errors import RecordingError
from fedleak.evaluation import scoring
from fedleak.evaluation.holdings import holdings_in
from fedleak.evaluation.message import Message
from fedleak.evaluation.narrowed import narrowed
from fedleak.formatting import measured
from fedleak.learning.batch import Batch
from fedleak.learning.space import InputSpace
from fedleak.profile.subject import Subject, recorded
from fedleak.recording.files import read_recording
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE, MODEL
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder
from fedleak.statistics.group import Group, group_rows
from fedleak.statistics.summary import Summary

LARGEST = 96
"""Pixels of a picture's longer side; larger ones are scaled down."""
BUDGET = 2_200_000
"""Characters that the pictures of a page may take."""


@dataclass(frozen=True)
class Files:
    """Reads a run folder for the page. None stands for what is missing or damaged: a page can be made without."""

    folder: RunFolder
    _cells: dict[Path, Saved | None] = field(default_factory=dict)
    _truths: dict[tuple[Path, object], Batch | None] = field(default_factory=dict)

    def cell(self, row: Row) -> Saved | None:
        """The saved cell of a row."""
        stem = self.folder.cell(row)
        if stem not in self._cells:
            try:
                self._cells[stem] = cell_file.load(stem)
            except RecordingError:
                self._cells[stem] = None
        return self._cells[stem]

    def holdings(self, row: Row) -> dict[int, tuple[int, ...]]:
        """What the clients of the row's federation hold, by class; raises `RecordingError`."""
        return holdings_in(self.folder.vault(row.defense, row.federation))

    def truth(self, row: Row) -> Batch | None:
        """The examples behind the row's message that its attack guesses at; of a model those since the one before."""
        saved = self.cell(row)
        about = None if saved is None else saved.about
        key = self.folder.recording(row), about
        if key not in self._truths:
            try:
                self._truths[key] = narrowed(Message.of(self.folder, row), about).news
            except RecordingError:
                self._truths[key] = None
        return self._truths[key]

    def observation(self, row: Row) -> Observation | None:
        """What the server saw of the row's message; None where it is a released model, which is no update."""
        if row.client == MODEL:
            return None
        try:
            return read_recording(self.folder.recording(row)).observation()
        except RecordingError:
            return None

    def subject(self, row: Row) -> Subject | None:
        """The message that the row is about, with the truth where that is there."""
        try:
            return recorded(self.folder.recording(row).with_suffix(".json"))
        except RecordingError:
            return None

    def guessed(self, row: Row, truth: Batch) -> Float[Tensor, "batch *shape"] | None:
        """The guessed examples in the order of the true ones."""
        saved = self.cell(row)
        if saved is None or saved.guess.inputs is None:
            return None
        return scoring.matched(saved.guess.inputs, truth)


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
    words: tuple[tuple[str, str, str], ...] = ()
    """Of each part that is said in words: its name, the truth, the guess."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Behind one cell."""

    trios: tuple[Trio, ...]
    total: int
    """Images that the cell has."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One true example in a row, with its value."""

    row: Row
    place: int
    value: float


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
            truth=data_uri(truth.space.picture(true)),
            guess=data_uri(truth.space.picture(guessed)),
            difference=data_uri(truth.space.picture(difference(truth.space, guessed, true))),
            words=in_words(truth.space, true, guessed),
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
    if row.client == MODEL:
        return f"the model after round {row.round}, seed {row.seed}"
    sender = "the cohort" if row.client == AGGREGATE else f"client {row.client}"
    return f"{sender}, round {row.round}, seed {row.seed}"


def data_uri(picture: Float[Tensor, "colors height width"]) -> str:
    """The picture, values in [0, 1], as a `data:` address."""
    pixels = _fitted(picture)
    values = (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def difference(
    space: InputSpace, guess: Float[Tensor, "*shape"], truth: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Guess minus truth about the middle: gray where they agree, brighter where the guess is too bright."""
    return space.middle + (space.clamped(guess.detach()) - truth) / 2


def in_words(
    space: InputSpace, true: Float[Tensor, "*shape"], guess: Float[Tensor, "*shape"]
) -> tuple[tuple[str, str, str], ...]:
    """Truth and guess beside each other, part by part, where their space says them in words."""
    said = space.said(space.clamped(guess.detach()))
    return tuple((part, words, said[part]) for part, words in space.said(true).items())


def _fitted(image: Float[Tensor, "colors height width"]) -> Float[Tensor, "colors height_ width_"]:
    longest = max(image.shape[1:])
    if longest <= LARGEST:
        return image
    size = [max(1, side * LARGEST // longest) for side in image.shape[1:]]
    return F.interpolate(image[None], size=size, mode="area")[0]
