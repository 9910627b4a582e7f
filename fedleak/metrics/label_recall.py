"""Label recall: the share of the labels that were guessed."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import ExampleMetric, metrics
from fedleak.learning.batch import Batch


@metrics.register("label-recall")
@dataclass(frozen=True, kw_only=True)
class LabelRecall(ExampleMetric):
    """The share of the true labels that were guessed, each guess counting once: |guess ∩ truth| / |truth| as multisets.

    Of one sample it is 1 or 0: whether a guess is left over for its label. Where a label was guessed too few times,
    its first samples count as guessed; the guesses have no order, so which samples they are means nothing.
    """

    paper: ClassVar = "https://arxiv.org/abs/2105.09369"
    cites: ClassVar = "wainakh2022user"
    unit: ClassVar = "share of labels"
    higher_is_better: ClassVar = True
    compares: ClassVar = "labels"
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 1.0
    """The label was guessed."""
    margin: ClassVar = 0.0

    def per_sample(self, guess: Batch, truth: Batch) -> list[float]:
        left = Counter(guess.labels.tolist())
        found = []
        for label in truth.labels.tolist():
            found.append(float(left[label] > 0))
            left[label] -= 1
        return found
