"""Served model: the global model after a round behind a prediction API, with the defenses of its answers."""

from collections.abc import Hashable
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.traffic import Asked, Traffic
from fedleak.errors import ConfigError, NonFiniteError
from fedleak.learning.loss import Criterion
from fedleak.learning.shapley import cost_of, explained
from fedleak.learning.space import require_table
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, one_thread
from fedleak.serving.log import QueryLog
from fedleak.serving.metered import Answered, Metered, checked
from fedleak.serving.private_answers import PrivateAnswers


class ServedModel(Metered):
    """A service that answers `queries` inputs of one user with a model's probabilities, as its defenses leave them.

    Each row is evaluated by itself on one thread: the same input gives the same bits, whatever was asked with it. What
    is drawn at random is drawn by `seed`; what is really computed without being seen has the noise of that. Raises
    `ConfigError` where the task's examples have several labels.
    """

    def __init__(
        self,
        task: Task,
        weights: Weights,
        *,
        queries: int,
        chain: Chain | None = None,
        days: float = 0.0,
        benign: Float[Tensor, "benign *shape"] | None = None,
        seed: tuple[object, ...] = (),
        background: Float[Tensor, " values"] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """A service nobody has asked yet.

        Of the `chain` only the defenses of answers act here. The user has `days` of patience, which limits a day are
        multiplied by; `benign` inputs are what detectors learn from. `seed`: words, different ones for each service.
        With a `background` it offers explanations, which are of rows of a table; raises `ConfigError` for others, and
        beside defenses of answers, which would not act on them. It computes and answers in `dtype`.
        """
        require_one_label(task)
        super().__init__(task.space, task.classes, queries, dtype)
        self.task = task
        self.weights = self._precise(weights)
        self.chain = (chain or Chain()).answering
        self.days = days
        self.benign = torch.empty(0, *task.shape) if benign is None else benign.float()
        self._dice = [generator(*seed, "answers", place) for place, _ in enumerate(self.chain)]
        self._derived: dict[Hashable, Any] = {}
        self.private = PrivateAnswers(self.chain, task, self.weights)
        self.background = background
        if background is not None:
            require_table(task.space, "an explanation", ConfigError)
            require_plain_answers(self.chain, "this service")

    def version(self, weights: Weights) -> "ServedModel":
        """Another version of the model behind the same API: whoever asks either has one budget, and one log of both.

        Detectors see one user, and noise that is fixed for an input is the same in both.
        """
        other = copy(self)
        other.weights = self._precise(weights)
        other.private = self.private.of(other.weights)
        return other

    def _precise(self, weights: Weights) -> Weights:
        return weights.floats_in(self.dtype) if self.dtype == torch.float64 else weights

    @property
    def log(self) -> QueryLog:
        """All that was asked so far, as a copy; and what it took where the operator sees none of it."""
        return replace(super().log, private=self.private.record)

    @property
    def remaining(self) -> int:
        """What is left of the budget, or of what the defenses let a user have answered, which is known to all."""
        left = self.chain.most_answers(self.days) - self.asked
        return max(0, int(min(super().remaining, left)))

    def explain(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked columns classes"]:
        """As `Service.explain`. In the log each is the question about its row, which is what detectors see of it."""
        if self.background is None:
            return super().explain(inputs)
        table = require_table(self.task.space, "an explanation", ConfigError)
        rows, cost = checked(inputs, self.space), cost_of(table)
        taken = rows[: self.remaining // cost]
        found = torch.full((len(rows), len(table.columns), self.classes), torch.nan)
        if len(taken):
            self._logged(taken)
            self._explaining.append(torch.zeros((cost - 1) * len(taken)))
            found[: len(taken)] = explanations_of(self.task, self.weights, taken, self.background).float()
        return found.to(inputs.device)

    def answered(self, inputs: Float[Tensor, "asked *shape"]) -> Answered:
        """By all that admit an input, and then by all that answer, in the order of the chain."""
        plain = probabilities_of(self.task, self.weights, inputs, self.dtype)
        honest = self.private.said(inputs, plain, partial(as_probabilities, self.task.criterion))
        past = self.past
        history = Traffic(
            inputs=past.inputs, probabilities=past.probabilities, admitted=~past.refused, derived=self._derived
        )
        asked = Asked(inputs=inputs, probabilities=honest, history=history, benign=self.benign, days=self.days)
        admitted = torch.ones(len(inputs), dtype=torch.bool)
        for defense in self.chain:
            admitted &= defense.admits(asked)
        for defense, rng in zip(self.chain, self._dice, strict=True):
            asked = replace(asked, probabilities=defense.answer(asked, rng))
        return Answered(honest, asked.probabilities.masked_fill(~admitted[:, None], torch.nan))


def require_plain_answers(chain: Chain, where: str) -> None:
    """Raises `ConfigError` for defenses of answers beside explanations, which sum to what such a defense hides."""
    if len(chain.answering):
        raise ConfigError(
            f"{where} changes answers ({', '.join(one.name for one in chain.answering)}) and offers explanations, "
            "which sum to the answer that it would have changed; leave one of both out"
        )


def explanations_of(
    task: Task, weights: Weights, rows: Float[Tensor, "rows values"], background: Float[Tensor, " values"]
) -> Float64[Tensor, "rows columns classes"]:
    """Shapley values of what a model says of rows; raises `ConfigError` where they are of no table."""

    def says(inputs: Tensor) -> Tensor:
        return as_probabilities(task.criterion, task.logits(weights, inputs, mode="eval"))

    with torch.no_grad(), one_thread():
        return explained(says, rows, background, require_table(task.space, "an explanation", ConfigError))


def require_one_label(task: Task) -> None:
    """Raises `ConfigError` where an example may have several labels, so that answers are no probabilities."""
    if task.criterion.several_labels:
        raise ConfigError(
            f"a prediction API answers with one probability for each class, and the examples of '{task.name}' have "
            "several labels; serve a model of one label an example"
        )


def probabilities_of(
    task: Task, weights: Weights, inputs: Float[Tensor, "asked *shape"], dtype: torch.dtype = torch.float32
) -> Float[Tensor, "asked classes"]:
    """What a model says of inputs, each evaluated by itself; raises `NonFiniteError` where that is no number."""
    with torch.no_grad(), one_thread():
        # A batch is summed in another order than a row, and so in other bits; a copy is aligned like any other.
        scores = [task.logits(weights, row.clone()[None], mode="eval") for row in inputs]
        said = torch.cat([as_probabilities(task.criterion, row).to(dtype) for row in scores])
    if not said.isfinite().all():
        raise NonFiniteError(f"the released weights of '{task.name}' answer with NaN or infinity; train it otherwise")
    return said


def as_probabilities(criterion: Criterion, scores: Float[Tensor, "asked classes"]) -> Float[Tensor, "asked classes"]:
    """Scores as what the model was trained to say: softmax under cross-entropy and under a loss of the user's own.

    Under binary cross-entropy of each class the sigmoids, and under squared error the scores themselves, as shares of
    their sum, negative ones as 0; alike where all are.
    """
    activation = criterion.activation(scores)
    if activation is None or criterion.balanced:
        return scores.softmax(1)
    positive = activation.clamp_min(0)
    total = positive.sum(1, keepdim=True)
    return torch.where(total > 0, positive / total, torch.full_like(positive, 1 / scores.shape[1]))
