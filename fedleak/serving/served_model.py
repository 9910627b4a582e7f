"""Served model: the global model after a round behind a prediction API, with the defenses of its answers."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.served import Service
from fedleak.contracts.traffic import Asked, Traffic
from fedleak.errors import ConfigError, NonFiniteError
from fedleak.learning.growing import Growing
from fedleak.learning.loss import Criterion
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, one_thread
from fedleak.serving.log import QueryLog


class ServedModel(Service):
    """A service that answers `queries` inputs of one user with a model's probabilities, as its defenses leave them.

    Each row is evaluated by itself on one thread: the same input gives the same bits, whatever was asked with it. What
    is drawn at random is drawn by `seed`. Raises `ConfigError` where the task's examples have several labels.
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
    ) -> None:
        """A service nobody has asked yet.

        Of the `chain` only the defenses of answers act here. The user has `days` of patience, which limits a day are
        multiplied by; `benign` inputs are what detectors learn from. `seed`: words, different ones for each service.
        """
        require_one_label(task)
        if queries < 0:
            raise ConfigError(f"expected queries of 0 or more, got {queries}")
        self.task = task
        self.weights = weights
        self.chain = (chain or Chain()).answering
        self.days = days
        self.benign = torch.empty(0, *task.shape) if benign is None else benign.float()
        self._queries = queries
        self._dice = [generator(*seed, "answers", place) for place, _ in enumerate(self.chain)]
        self._traffic = Traffic(
            inputs=torch.empty(0, *task.shape),
            probabilities=torch.empty(0, task.classes),
            admitted=torch.empty(0, dtype=torch.bool),
        )
        self._inputs, self._probabilities = Growing(task.shape), Growing((task.classes,))
        self._answers, self._admitted = Growing((task.classes,)), Growing((), torch.bool)

    @property
    def log(self) -> QueryLog:
        """All that was asked so far."""
        rows = (self._inputs.rows, self._probabilities.rows, self._answers.rows)
        inputs, probabilities, answers = (value.clone() for value in rows)
        return QueryLog(inputs=inputs, probabilities=probabilities, answers=answers)

    @property
    def remaining(self) -> int:
        """What is left of the budget, or of what the defenses let a user have answered, which is known to all."""
        most = min(self._queries, self.chain.most_answers(self.days))
        return max(0, int(most) - len(self._inputs))

    def ask(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked classes"]:
        """As `Service.ask`; raises `ConfigError` for inputs of another shape, or that are no numbers."""
        wanted = checked(inputs, self.task)
        taken = wanted[: self._queries - len(self._inputs)]
        answers = torch.full((len(wanted), self.task.classes), torch.nan)
        if len(taken):
            answers[: len(taken)] = self._answer(taken)
        return answers.to(inputs.device)

    def _answer(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked classes"]:
        honest = probabilities_of(self.task, self.weights, inputs)
        asked = Asked(inputs=inputs, probabilities=honest, history=self._history(), benign=self.benign, days=self.days)
        admitted = torch.ones(len(inputs), dtype=torch.bool)
        for defense in self.chain:
            admitted &= defense.admits(asked)
        for defense, rng in zip(self.chain, self._dice, strict=True):
            asked = replace(asked, probabilities=defense.answer(asked, rng))
        answers = asked.probabilities.masked_fill(~admitted[:, None], torch.nan)
        self._keep(inputs, honest, answers, admitted)
        return answers

    def _history(self) -> Traffic:
        return replace(
            self._traffic,
            inputs=self._inputs.rows,
            probabilities=self._probabilities.rows,
            admitted=self._admitted.rows,
        )

    def _keep(self, inputs: Tensor, honest: Tensor, answers: Tensor, admitted: Bool[Tensor, " asked"]) -> None:
        self._inputs.append(inputs)
        self._probabilities.append(honest)
        self._answers.append(answers)
        self._admitted.append(admitted)


def checked(inputs: Float[Tensor, "asked *any"], task: Task) -> Float[Tensor, "asked *shape"]:
    """Inputs as a service takes them: a copy in float32, within the range; raises `ConfigError` where it cannot."""
    if tuple(inputs.shape[1:]) != task.shape:
        raise ConfigError(
            f"expected inputs of shape (number, {', '.join(map(str, task.shape))}) for '{task.name}', "
            f"got {tuple(inputs.shape)}"
        )
    if inputs.isnan().any():
        raise ConfigError("expected inputs that are numbers, got NaN among them")
    return task.space.clamped(inputs.detach().to("cpu", torch.float32, copy=True)).contiguous()


def require_one_label(task: Task) -> None:
    """Raises `ConfigError` where an example may have several labels, so that answers are no probabilities."""
    if task.criterion.several_labels:
        raise ConfigError(
            f"a prediction API answers with one probability for each class, and the examples of '{task.name}' have "
            "several labels; serve a model of one label an example"
        )


def probabilities_of(
    task: Task, weights: Weights, inputs: Float[Tensor, "asked *shape"]
) -> Float[Tensor, "asked classes"]:
    """What a model says of inputs, each evaluated by itself; raises `NonFiniteError` where that is no number."""
    with torch.no_grad(), one_thread():
        # A batch is summed in another order than a row, and so in other bits; a copy is aligned like any other.
        scores = [task.logits(weights, row.clone()[None], mode="eval") for row in inputs]
        said = torch.cat([as_probabilities(task.criterion, row).float() for row in scores])
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
