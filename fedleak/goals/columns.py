"""Columns: what do rows of a table, or images, say in columns that are hidden, or what is their label?"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from fedleak.contracts.cut import Cut
from fedleak.contracts.metric import ExampleMetric, Metric
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.view import View
from fedleak.goals.answer import Answer
from fedleak.goals.goal import Goal, of_no_known_kind, public_in
from fedleak.goals.imputer import frequencies, imputed
from fedleak.goals.judgement import Judgement
from fedleak.goals.labels import label_frequency
from fedleak.goals.measured import Measured
from fedleak.goals.own_columns import columns_by_own_columns, labels_by_own_columns
from fedleak.learning.batch import Batch
from fedleak.learning.images import Images
from fedleak.learning.space import require_table
from fedleak.learning.table import Column


class ColumnMetric(Metric):
    """Judges guesses of hidden columns, each column apart. A sample is one row, or a place in an order of rows."""

    compares: ClassVar[Kind] = "columns"
    of_members: ClassVar[bool] = True
    """Whether it judges rows that were trained on, or those that were not: what a model tells of these it would tell
    of anybody."""

    @abstractmethod
    def applies_to(self, column: Column) -> bool:
        """Whether it can judge such a column."""

    @abstractmethod
    def per_row(
        self, guess: Float[Tensor, "rows values"], truth: Float[Tensor, "rows values"]
    ) -> Float[Tensor, " some"]:
        """The values for one column, as the table has it; every guess is finite."""


class ShareOfRows(ColumnMetric):
    """Judges categories by shares of rows: 1 is right for all of them."""

    unit: ClassVar[str] = "share of rows"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    threshold: ClassVar[float] = 1.0
    margin: ClassVar[float] = 0.0

    def applies_to(self, column: Column) -> bool:
        return column.is_category


class OfOthers(ColumnMetric):
    """The same of rows that nobody trained on: it stands beside the figure of members, which may be a verdict.

    What a model tells of these is no secret of those in its training data. Before the metric among the bases.
    """

    of_members: ClassVar[bool] = False
    speaks: ClassVar[bool] = False


class PixelMetric(Metric):
    """Judges guesses of hidden columns of pixels, row by row. A sample is one image, in what is hidden of it."""

    compares: ClassVar[Kind] = "columns"
    hit_or_miss: ClassVar[bool | None] = False
    """What was hidden of an image is rebuilt as an image is."""
    on: ClassVar[type[ExampleMetric]]
    """The metric on images that it applies to the hidden part."""


class Columns(Goal):
    """Values of columns that are hidden of known rows, or their labels, which are one column more.

    Metrics on it are `ColumnMetric`s and, on images, `PixelMetric`s.
    """

    name: ClassVar[Kind] = "columns"
    noun: ClassVar[str] = "hidden value"
    verb: ClassVar[str] = "found"
    guessing: ClassVar[str] = "guesses hidden columns"
    unguessed: ClassVar[str] = "the attack guesses no hidden columns"
    hit_or_miss: ClassVar[bool] = True
    blindly: ClassVar[str] = (
        "an imputer that learnt from public rows, or of labels a classifier on the attacker's own columns"
    )
    metrics: ClassVar[tuple[str, ...]] = (
        "column-accuracy",
        "column-auc",
        "ppv-100",
        "column-accuracy-of-others",
        "column-auc-of-others",
        "ppv-100-of-others",
        "column-error",
        "column-error-of-others",
        "column-psnr",
        "column-ssim",
    )
    sentences: ClassVar[Mapping[Judgement, str]] = {
        Judgement.LEAKED: "Hidden columns of members were guessed under {names} better than without the model.",
        Judgement.BEYOND: "Under {names} hidden columns of members were guessed better than without the model.",
        Judgement.UNCLEAR: "Under {names} luck may explain the hidden columns that were guessed.",
        Judgement.TOO_FEW: "Under {names} there is too little to tell what the model adds to an imputer.",
        Judgement.NOTHING: "Under {names} these attackers guessed hidden columns no better than an imputer does "
        "without the model; {tested}",
        Judgement.MISSING: "Under {names} no attack has a figure for the hidden columns.",
    }

    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        if not isinstance(metric, ColumnMetric | PixelMetric):
            raise of_no_known_kind(metric)
        if answer.challenge is None or not (answer.hidden or answer.places or answer.hides_labels):
            return Measured(reason="no column was hidden, or nobody knows what it says", fits=False)
        if isinstance(metric, PixelMetric):
            return _pixels(metric, guess, answer.challenge.candidates, answer.places)
        return _values(metric, guess, answer)

    def prior(self, view: View, rng: Generator) -> Tensor | None:  # noqa: ARG002
        """For each row how frequent the values are in public, or the mean of a number or a pixel.

        Without public data each value is as frequent, and a number is in the middle.
        """
        if view.rows is None:
            return None
        if isinstance(view, Cut) and view.asks == "labels":
            frequency = label_frequency(view)
            return None if frequency is None else (2 * frequency - 1).expand(len(view.rows), -1).clone()
        if isinstance(view, Cut) and isinstance(view.task.space, Images):
            public, part = public_in(view), view.rows.inputs[..., list(view.places)]
            middle = torch.full_like(part[0], view.task.space.middle)
            mean = middle if public is None else public.inputs.mean(0)[..., list(view.places)]
            return mean.expand_as(part).clone()
        table = require_table(view.task.space, "a hidden column")
        return frequencies(public_in(view), table, view.hidden).expand(len(view.rows), -1).clone()

    def no_access(self, view: View, rng: Generator) -> Tensor | None:
        """What an imputer says that learnt from public rows, by all that is known of each row and its label.

        Of labels what a classifier says that learnt from the same labels by the adversary's own columns. Who knows
        nothing of a row draws a public one; all other draws are the same.
        """
        public = public_in(view)
        if isinstance(view, Cut) and view.rows is not None:
            return labels_by_own_columns(view) if view.asks == "labels" else columns_by_own_columns(view, rng)
        if view.rows is None or public is None:
            return None
        return imputed(public, view.rows, view.hidden)


def _values(metric: ColumnMetric, guess: Tensor, answer: Answer) -> Measured:
    """Of a table, or of labels, which are a category."""
    assert answer.challenge is not None
    challenge, rows = answer.challenge, answer.challenge.candidates
    if not len(rows):
        return Measured(reason="no row was asked about: all that were seen are known", fits=False)
    if answer.places:
        return Measured(reason=f"{metric.name} is of tables, and images are hidden", fits=False)
    if answer.hides_labels:
        classes = max(guess.shape[-1], int(rows.labels.max()) + 1)
        truth: Tensor = 2 * one_hot(rows.labels, classes).float() - 1
        columns = [(Column("label", values=tuple(map(str, range(classes)))), slice(0, classes))]
    else:
        table = require_table(rows.space, "a hidden column")
        truth, columns = rows.inputs[:, table.mask(answer.hidden)], table.within(answer.hidden)
    if guess.shape != truth.shape:
        return Measured(reason=f"the attack guesses {tuple(guess.shape)} values of {tuple(truth.shape)}")
    places = challenge.members if metric.of_members else challenge.non_members
    if not len(places):
        return Measured(reason=f"{metric.name} needs rows that nobody trained on, there is none", fits=False)
    own = [part for column, part in columns if metric.applies_to(column)]
    if not own:
        return Measured(reason=f"{metric.name} cannot judge column {', '.join(answer.hidden) or 'label'}", fits=False)
    # What an attack does not say is as probable as anything: the least of each value, or the middle of a number.
    made = guess.double().nan_to_num(nan=0.0, posinf=1.0, neginf=-1.0).clamp(-1, 1)[places]
    right = truth.double()[places]
    return Measured.of(torch.cat([metric.per_row(made[:, part], right[:, part]) for part in own]))


def _pixels(metric: PixelMetric, guess: Tensor, rows: Batch, places: tuple[int, ...]) -> Measured:
    if not places:
        return Measured(reason=f"{metric.name} is of hidden columns of images, and none is hidden", fits=False)
    truth = Batch(rows.inputs[..., list(places)].contiguous(), rows.labels)
    if (unfit := metric.on().inapplicable(truth)) is not None:
        return Measured(reason=unfit, fits=False)
    if guess.shape != truth.inputs.shape:
        return Measured(reason=f"the attack guesses {tuple(guess.shape)} values of {tuple(truth.inputs.shape)}")
    made = guess.nan_to_num(nan=truth.space.middle)  # what an attack does not say is in the middle
    return Measured(tuple(metric.on().per_sample(Batch(made, truth.labels, truth.space), truth)))
