"""The contract of a rule that reads labels off an update: an attack of its own, and a part of matching attacks."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction

from ..applicability import defect
from .gradient import find_head
from .outputs import never_negative


class LabelRule(Attack, ABC):
    """Guesses labels alone, by a closed rule; any attack that needs labels takes one: `labels = "ilrg"`."""

    @property
    def answers(self) -> frozenset[Kind]:
        return frozenset({"labels"})

    @abstractmethod
    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"] | str:
        """The labels in ascending order, one for each example unless the rule tells less; or why it cannot tell."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        found = self.infer(observation, rng)
        return Reconstruction.failed(found) if isinstance(found, str) else Reconstruction(labels=found)


# From what a rule makes of the head's gradient to whole counts of labels, and when a rule does not apply.
#
# For mean cross-entropy over K examples the head's bias gradient is `g_b = p̄ - n / K`: the batch-mean posterior minus
# the class counts over K. So `n = K (p̄ - g_b)`, and every rule is an estimator of p̄, or of what stands for it.


def label_defect(observation: Observation) -> str | None:
    """Why labels cannot be inferred, in words; None where they can."""
    head, sent = find_head(observation.task), observation.update.tensors
    if head is None:
        return f"'{observation.task.name}' does not end in a linear layer with {observation.task.classes} outputs"
    problem = defect(observation)
    if problem is None and not any(sent[name].any() for name in (head.weight, head.bias) if name is not None):
        return (
            "the last layer's update is zero in every entry, as where clients keep that layer to themselves, so it "
            "says nothing about labels; try an attack that finds them itself, such as 'dlg'"
        )
    return problem


def refusal(
    observation: Observation,
    *,
    one_example: bool = False,
    bias: bool = False,
    length: bool = False,
    one_sign: bool = False,
    public: bool = False,
) -> str | None:
    """Why a rule with such needs does not apply, in one sentence that says what to try; None where it does."""
    problem = label_defect(observation)
    head, examples, training = find_head(observation.task), observation.examples(), observation.training
    if problem or head is None:
        return problem
    if one_example and examples > 1:
        return f"the rule holds for one example, and {examples} are behind this update; try 'auto-labels' or 'ilrg'"
    if bias and head.bias is None:
        return f"the last layer of '{observation.task.name}' has no bias to read; try 'idlg-rows' or 'llg'"
    if length and (training.learning_rate is None or training.steps is None):
        return "the rule needs the gradient's length, and learning rate or local steps are unknown; try 'llg'"
    if public and not len(observation.auxiliary or ()):
        return "the rule needs public examples, and the adversary holds none; set `auxiliary`, or try 'ilrg'"
    if one_sign and not never_negative(observation):
        return "the rule needs features that are never negative, and this network's are of both signs; try 'ilrg'"
    return None


def whole_counts(raw: Float[Tensor, " classes"], examples: int) -> Int[Tensor, " classes"]:
    """Non-negative whole numbers near `raw` that sum to `examples`, by largest remainder."""
    raw = torch.nan_to_num(raw.double(), posinf=float(examples), neginf=0.0).clamp(0.0, float(examples))
    raw = raw if raw.any() else torch.ones_like(raw)
    raw = raw * (examples / raw.sum())
    counts = raw.floor().long()
    missing = max(examples - int(counts.sum()), 0)
    # A stable order, so that equal remainders go to the lower class on every machine.
    order = torch.sort(raw - counts, descending=True, stable=True).indices
    counts[order[:missing]] += 1
    return counts


def as_labels(counts: Int[Tensor, " classes"]) -> Int[Tensor, " examples"]:
    """Each class as often as it counts, in ascending order."""
    return torch.repeat_interleave(torch.arange(len(counts)), counts.cpu())
