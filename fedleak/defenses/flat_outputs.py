"""Flat outputs: training that is penalized for confident answers (the confidence penalty)."""

from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.loss import Criterion, CrossEntropy, Labels, Scores
from fedleak.learning.task import Task
from fedleak.settings.base import Amount


@defenses.register("flat-outputs")
@dataclass(frozen=True, kw_only=True)
class FlatOutputs(Defense):
    """Trains on `cross-entropy - beta H(p)`, H being the entropy of the predicted probabilities in nats.

    The model is then less sure of everything, and its answers are flatter; which class is on top they show as before.
    The paper has it against overfitting: that it keeps anything back is for an attack to show. The loss is public, so
    attackers differentiate it and their label rules solve it.
    """

    paper: ClassVar = "https://arxiv.org/abs/1701.06548"
    cites: ClassVar = "pereyra2017regularizing"
    adaptive_strategy: ClassVar[str] = "differentiates the penalized loss, which is public, and reads labels off it"
    beta: Amount = 0.1
    """Weight of the entropy; 0 trains as usual."""

    @property
    def caveat(self) -> str:
        return "it lowers confidences, and keeps their order"

    def require(self, task: Task) -> None:
        if not (isinstance(task.criterion, CrossEntropy) and task.criterion.plain):
            raise ConfigError(
                f"'{self.name}' penalizes plain cross-entropy, and '{task.name}' minimizes {task.criterion.words}; "
                "leave it out, or leave out task.loss"
            )

    def transform_task(self, task: Task) -> Task:
        if self.beta == 0:
            return task
        criterion = PenalizedConfidence(single_logit=task.criterion.single_logit, beta=self.beta)
        return replace(task, criterion=criterion)


@dataclass(frozen=True, kw_only=True)
class PenalizedConfidence(Criterion):
    """Cross-entropy minus `beta` times the entropy of the prediction, the mean over examples."""

    beta: float

    @property
    def words(self) -> str:
        return f"cross-entropy with a confidence penalty of {self.beta:g}"

    @property
    def balanced(self) -> bool:
        return True

    def each(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:
        surprisals = -scores.log_softmax(1)
        return CrossEntropy().each(scores, labels) - self.beta * (scores.softmax(1) * surprisals).sum(1)

    def activation(self, scores: Float[Tensor, "*batch classes"]) -> Float[Tensor, "*batch classes"]:
        """`p_k (1 + beta (log p_k + H))`, which sums to 1: the derivative is this less the label."""
        shares, logs = scores.softmax(-1), scores.log_softmax(-1)
        entropy = -(shares * logs).sum(-1, keepdim=True)
        return shares * (1 + self.beta * (logs + entropy))

    def shares(
        self,
        activation: Float[Tensor, " classes"],
        bias: Float[Tensor, " classes"],
        examples: int,
    ) -> Float[Tensor, " classes"]:
        return activation - bias
