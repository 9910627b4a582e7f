"""Pictures of the samples that leaked most in a group that breaks a rule: truth, guess, difference."""

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from fedleak.analysis.conditions import condition_of_point, condition_of_row
from fedleak.analysis.judgement import kind_of
from fedleak.contracts.metric import metrics
from fedleak.errors import OutputError, RecordingError
from fedleak.evaluation import scoring
from fedleak.evaluation.exhibits import Exhibits, exhibits_of, view_of
from fedleak.evaluation.message import Message
from fedleak.evaluation.narrowed import narrowed
from fedleak.figures import panels
from fedleak.figures.panels import Line, Panel, draw
from fedleak.formatting import listed, plural
from fedleak.gate.measurement import MeasuredGroup, Measurement
from fedleak.gate.sentences import figure
from fedleak.gate.verdict import Picture
from fedleak.goals.goals import GOALS
from fedleak.io.fingerprint import LONGEST, address_of
from fedleak.learning.space import InputSpace
from fedleak.processes.home import at_home
from fedleak.recording.task_table import home_of
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.runs import cell_file
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import FinishedRun
from fedleak.settings.adversary import AdversarySettings

SHOWN = 4
"""Samples of a picture, at most."""
COLUMN = 1.23
"""Inches of a column; with the titles' they tell how many letters fit above the pictures."""


@dataclass(frozen=True)
class Sample:
    """One example of one message, with its figure; NaN where it has none."""

    row: Row
    place: int
    value: float


def picture(run: FinishedRun, name: str, what: str, measurement: Measurement) -> Picture:
    """Draws `evidence/NAME-GROUP.png` below the run, or says why there is nothing to draw."""
    samples = _worst(measurement.rows)
    if isinstance(samples, str):
        return Picture(reason=samples)
    path = run.folder.root / "evidence" / f"{_file_name(name, measurement.group)}.png"
    try:
        images = [_images(run, sample) for sample in samples]
        return Picture(path=draw(_panel(what, measurement, samples, images), path))
    except (RecordingError, OutputError) as error:
        return Picture(reason=str(error))


def _file_name(name: str, group: MeasuredGroup) -> str:
    """Words that a shell needs no quotes for, and a digest that keeps apart what they do not."""
    words = "-".join([name, group.defense, group.attack or "", group.sender or ""])
    return f"{re.sub(r'[^A-Za-z0-9._+=]+', '-', words)[:LONGEST]}-{address_of(str(group))[:6]}"


def clear(folder: RunFolder) -> None:
    """Deletes the pictures of an earlier check: what they show may be mended by now."""
    for path in (folder.root / "evidence").glob("*.png"):
        try:
            path.unlink()
        except OSError as error:
            raise OutputError(f"cannot delete the old picture {path}: {error.strerror}") from error


def _worst(rows: Sequence[Row]) -> list[Sample] | str:
    """The samples that leaked most by a metric on images, or why there are none; proved guesses before all others."""
    if not rows:
        return "a federation's figure has no picture"
    scored = [row for row in rows if math.isfinite(row.value)]
    pictured = [row for row in scored if _of_images(row.metric)]
    if not pictured:
        names = " and ".join(dict.fromkeys(row.metric for row in scored))
        about = dict.fromkeys(plural(GOALS[kind].noun) for row in scored if (kind := kind_of(row.metric)) in GOALS)
        return f"{names} is about {listed(about)} only" if about else "there is no guess to show"
    pictured = [row for row in pictured if row.metric == pictured[0].metric]
    samples = [Sample(row, i, v) for row in pictured for i, v in enumerate(row.per_sample) if math.isfinite(v)]
    sign = -1 if pictured[0].higher_is_better else 1
    return sorted(samples, key=lambda one: (not one.row.certified, sign * one.value))[:SHOWN]


def _of_images(metric: str) -> bool:
    return kind_of(metric) in ("inputs", "representatives")


@dataclass(frozen=True)
class _Images:
    """One example, or the private mean of a class, its guess, and how far they are apart."""

    what: str
    which: str
    space: InputSpace
    truth: Float[Tensor, "*shape"]
    guess: Float[Tensor, "*shape"]

    @property
    def difference(self) -> Float[Tensor, "*shape"]:
        """In units of the range."""
        return self.space.errors(self.guess, self.truth).abs()


def _images(run: FinishedRun, sample: Sample) -> _Images:
    row, place = sample.row, sample.place
    saved = cell_file.load(run.folder.cell(row))
    message, guess = narrowed(Message.of(run.folder, row), saved.about), saved.guess
    if guess.inputs is not None and metrics.get(row.metric).compares == "inputs":
        truth = message.news
        return _Images(
            "truth", f"example {place}", truth.space, truth.inputs[place], scoring.matched(guess.inputs, truth)[place]
        )
    if guess.representatives is None:
        raise RecordingError(f"{run.folder.cell(row)}.json has no guessed images though it was scored on them")
    exhibits = at_home(home_of(run.folder.recording(row)), _exhibits, message, _adversary(run, row), row)
    if exhibits.private_mean is None:
        raise RecordingError(f"{message.path}: nothing is known of the classes that were asked about")
    which = f"class {exhibits.classes[place]}"
    return _Images(
        "private class mean", which, exhibits.space, exhibits.private_mean[place], guess.representatives[place]
    )


def _exhibits(message: Message, adversary: AdversarySettings, row: Row) -> Exhibits:
    return exhibits_of(view_of(message, adversary), message.truth, row.seed, row.round, row.client)


def _adversary(run: FinishedRun, row: Row) -> AdversarySettings:
    """What the adversary was asked, and held, in the setting of a row."""
    where = condition_of_row(row)
    return next(p.experiment.adversary for p in run.campaign.points if condition_of_point(p) == where)


def _lines(images: Sequence[_Images], samples: Sequence[Sample]) -> tuple[Line, ...]:
    return (
        Line(
            title=images[0].what, pictures=tuple(panels.Picture(image=one.space.picture(one.truth)) for one in images)
        ),
        Line(
            title="guess",
            pictures=tuple(
                panels.Picture(image=one.space.picture(one.guess), caption=figure(sample.value, sample.row.unit))
                for one, sample in zip(images, samples, strict=True)
            ),
        ),
        Line(
            title="difference",
            subtitle="black: none",
            pictures=tuple(
                panels.Picture(
                    image=one.space.picture(one.space.at(one.difference)),
                    caption=f"mean {float(one.difference.mean()):.3f}",
                )
                for one in images
            ),
        ),
    )


def _panel(what: str, measurement: Measurement, samples: Sequence[Sample], images: Sequence[_Images]) -> Panel:
    letters = round(max(2 + len(samples) * COLUMN, 5.5) * 11)
    return Panel(
        title=textwrap.shorten(what, letters, placeholder=" …"),
        columns=tuple(_heading(sample, image.which) for sample, image in zip(samples, images, strict=True)),
        lines=_lines(images, samples),
        note=textwrap.shorten(f"what leaked most by {measurement.group}", round(letters * 1.4), placeholder=" …"),
    )


def _heading(sample: Sample, which: str) -> str:
    row = sample.row
    who = row.client if isinstance(row.client, str) else f"client {row.client}"
    who = "sum" if row.client == AGGREGATE else who
    return f"{who}, {which}\nround {row.round}, seed {row.seed}"
