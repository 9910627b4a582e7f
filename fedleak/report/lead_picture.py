"""Lead picture: one example under every defense, side by side, which a reader sees before any figure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.analysis.evidence import defense_words
from fedleak.evaluation import scoring
from fedleak.formatting import measured
from fedleak.learning.batch import Batch
from fedleak.report.pictures import Files, Sample, data_uri, whose
from fedleak.results.row import Row
from fedleak.results.schema import MODEL

WIDTH = 9
"""Pictures at most: the truth, the prior, and the first defenses."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture with what is below it."""

    title: str
    caption: str
    source: str


@dataclass(frozen=True, kw_only=True)
class LeadPicture:
    """The frames and what they show."""

    frames: tuple[Frame, ...]
    caption: str


def lead_picture_of(
    files: Files, focus: Sequence[Row], chosen: Row | None, *, exception: bool = False
) -> LeadPicture | None:
    """The middle example of `chosen`, or the one that leaked most where only exceptions leak, under every defense.

    None where there is no picture of it.
    """
    truth = None if chosen is None else files.truth(chosen)
    if chosen is None or truth is None or files.guessed(chosen, truth) is None:
        return None
    places = [place for place, value in enumerate(chosen.per_sample) if not math.isnan(value) and place < len(truth)]
    if not places:
        return None
    order = sorted(places, key=lambda i: chosen.per_sample[i], reverse=chosen.higher_is_better)
    place = order[0 if exception else len(order) // 2]
    same = [row for row in focus if row.attack == chosen.attack]
    noun = truth.space.noun
    seen = "the model" if chosen.client == MODEL else "what the server received"
    frames = (*_knowns(files, chosen, truth, place), *_guesses(files, same, truth.inputs[place]))
    whom = whose(Sample(row=chosen, place=place, value=chosen.per_sample[place]))
    return LeadPicture(
        frames=frames[:WIDTH],
        caption=(
            f"{_which(noun, exception)} under “{chosen.defense}” ({whom}), as {chosen.attack} guessed it from "
            f"{seen} under each defense; below each guess its {chosen.metric}."
        ),
    )


def _which(noun: str, exception: bool) -> str:
    return f"The {noun} that leaked most" if exception else f"A typical {noun}, the middle one"


def _knowns(files: Files, chosen: Row, truth: Batch, place: int) -> Iterator[Frame]:
    yield Frame(title="truth", caption="the client's own", source=data_uri(truth.space.picture(truth.inputs[place])))
    saved = files.cell(chosen)
    if saved is not None and saved.prior.inputs is not None:
        prior = scoring.matched(saved.prior.inputs, truth)[place]
        unused = "no model used" if chosen.client == MODEL else "no update used"
        yield Frame(title="prior", caption=unused, source=data_uri(truth.space.picture(prior)))


def _guesses(files: Files, rows: Sequence[Row], wanted: Float[Tensor, "*shape"]) -> Iterator[Frame]:
    """The guess at the same example under each defense; its place among the sum's examples is found by its pixels."""
    for row in rows:
        truth = files.truth(row)
        guess = None if truth is None else files.guessed(row, truth)
        if truth is None or guess is None or truth.inputs.shape[1:] != wanted.shape:
            continue
        place = next((i for i, image in enumerate(truth.inputs) if torch.equal(image, wanted)), None)
        if place is not None and bool(guess[place].isfinite().all()) and place < len(row.per_sample):
            yield Frame(
                title=defense_words(row.defense, row.client),
                caption=measured(row.per_sample[place], row.unit),
                source=data_uri(truth.space.picture(guess[place])),
            )
