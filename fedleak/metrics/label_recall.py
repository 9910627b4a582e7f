"""Label recall: the share of the labels that were guessed."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import ExampleMetric, metrics
from fedleak.learning.batch import Batch, matched_overlaps


@metrics.register("label-recall")
@dataclass(frozen=True, kw_only=True)
class LabelRecall(ExampleMetric):
    """The share of the true labels that were guessed, each guess counting once: |guess ∩ truth| / |truth| as multisets.

    Of one sample it is 1 or 0: whether a guess is left over for its label. Where a label was guessed too few times,
    its first samples count as guessed; the guesses have no order, so which samples they are means nothing.

    Where examples have several labels a sample's figure is Jaccard's index |guess ∩ truth| / |guess ∪ truth| of its set
    and the guessed one that it is matched with, one to one, so that the sum is the greatest; of sets of one that is the
    same figure, and a label too many costs too. Source: https://doi.org/10.1007/978-3-540-24775-3_5
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
        if truth.labels.dim() == 2:
            return matched_overlaps(truth.labels, guess.labels)
        left = Counter(guess.labels.tolist())
        found = []
        for label in truth.labels.tolist():
            found.append(float(left[label] > 0))
            left[label] -= 1
        return found
