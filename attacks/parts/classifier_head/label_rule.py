"""Label rule: reads labels off an update; an attack of its own, and a part of matching attacks.

For mean cross-entropy over K examples the head's bias gradient is `g_b = p̄ - n / K`: the batch-mean posterior minus the
class counts over K. So `n = K (p̄ - g_b)`, and every rule is an estimator of p̄, or of what stands for it.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch, as_labels, whole_counts

from ..applicability import require_gradient, require_usable
from .gradient import head_gradient, head_of
from .outputs import never_negative

__all__ = [
    "LabelRule",
    "as_labels",
    "head_bias_gradient",
    "local_steps",
    "public_examples",
    "require",
    "require_labels",
    "whole_counts",
]


class LabelRule(Attack, ABC):
    """Guesses labels alone, by a closed rule; any attack that needs labels takes one: `labels = "ilrg"`."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"labels"})

    @abstractmethod
    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, "guesses *classes"]:
        """The labels in ascending order, one for each example unless the rule finds fewer.

        Of one example that may have several labels a row of zeros and ones; of more of them no rule tells who has what.
        """

    def infer_if_applicable(self, observation: Observation, rng: Generator) -> Int[Tensor, "guesses *classes"] | None:
        """The labels; None where the rule does not apply."""
        try:
            return self.infer(observation, rng)
        except NotApplicable:
            return None

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        return Reconstruction(labels=self.infer(observation, rng))


def require(
    observation: Observation,
    *,
    one_example: bool = False,
    bias: bool = False,
    length: bool = False,
    one_sign: bool = False,
    public: bool = False,
    signs: bool = False,
    any_loss: bool = False,
    several_labels: bool = False,
) -> None:
    """Raises `NotApplicable` where a rule with such needs does not apply, with a sentence that says what to try."""
    require_labels(observation)
    if not signs:
        require_gradient(observation)
    criterion, examples = observation.task.criterion, observation.examples()
    if criterion.several_labels and examples > 1:
        raise NotApplicable(
            f"of {examples} examples with several labels the last layer tells how often each label is there, and not "
            "which of them go together; try 'inverting-gradients' or 'dlg', which find images and labels together"
        )
    if criterion.several_labels and not several_labels:
        raise NotApplicable("the rule is for one label an example, and here each may have several; try 'auto-labels'")
    if not any_loss and not criterion.plain:
        raise NotApplicable(
            f"the rule is derived for plain cross-entropy, and clients minimize {criterion.words}; try 'auto-labels', "
            "which picks one for other losses"
        )
    if one_example and examples > 1:
        raise NotApplicable(
            f"the rule holds for one example, and {examples} are behind this update; try 'auto-labels' or 'ilrg'"
        )
    if bias:
        head_bias_gradient(observation)
    if length:
        local_steps(observation)
    if public:
        public_examples(observation)
    if one_sign and not never_negative(observation):
        raise NotApplicable(
            "the rule needs features that are never negative, and this network's are of both signs; try 'ilrg'"
        )


def require_labels(observation: Observation) -> None:
    """Raises `NotApplicable` where no rule can infer labels."""
    head, sent = head_of(observation.task), observation.update.tensors
    require_usable(observation)
    if not any(sent[name].any() for name in (head.weight, head.bias) if name is not None):
        raise NotApplicable(
            "the last layer's update is zero in every entry, as where clients keep that layer to themselves, so it "
            "says nothing about labels; try an attack that finds them itself, such as 'dlg'"
        )


def head_bias_gradient(observation: Observation) -> Float[Tensor, " classes"]:
    """The gradient of the head's bias, which the head must have."""
    bias = head_gradient(observation).bias
    if bias is None:
        raise NotApplicable(
            f"the last layer of '{observation.task.name}' has no bias to read; try 'idlg-rows' or 'llg'"
        )
    return bias


def local_steps(observation: Observation) -> int:
    """How many steps the gradient's length is of, which must be known as the learning rate must."""
    training = observation.training
    if training.learning_rate is None or training.steps is None or training.gradient_clipping:
        why = "it is clipped" if training.gradient_clipping else "learning rate or local steps are unknown"
        raise NotApplicable(f"the rule needs the gradient's length, and {why}; try 'llg'")
    return training.steps


def public_examples(observation: Observation) -> Batch:
    """The adversary's public examples, which there must be."""
    if observation.auxiliary is None or not len(observation.auxiliary):
        raise NotApplicable(
            "the rule needs public examples, and the adversary holds none; set `auxiliary`, or try 'ilrg'"
        )
    return observation.auxiliary
