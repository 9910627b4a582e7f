"""Recognised: whether an image shows its class and is nearer to private examples than guessing."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.answer import Subject
from fedleak.goals.representatives import RepresentativeMetric


@metrics.register("recognised")
@dataclass(frozen=True, kw_only=True)
class Recognised(RepresentativeMetric):
    """The share of classes whose image convinces two judges and is nearer to private examples than guessing comes.

    Of one class it is 1 where both judges see the class, and the mean squared error to the nearest private example of
    it is below that of the best blind guess: the prior, and every draw of public examples. Judges alone are fooled by
    images that are worse than the mean public one; the nearest example alone is a matter of blur. A class that the
    public data has examples of is never recognised, for there is nothing to gain; nor is one without an image. Blind
    guesses have 0 by construction. The paper judges by one classifier and gives the distance beside it.
    """

    paper: ClassVar = "https://arxiv.org/abs/1911.07135"
    cites: ClassVar = "zhang2020secret"
    unit: ClassVar = "share of classes"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 1.0
    margin: ClassVar = 0.0
    unshown: ClassVar = 0.0
    by_judges: ClassVar = True

    def per_class(self, guess: Float[Tensor, "*shape"], subject: Subject) -> float:
        judges = subject.judges()  # raises where there are none: then nobody can say that it was not recognised either
        if subject.known or float(subject.nearest(guess[None])) >= subject.best_blind:
            return 0.0
        return float(all(judges.convinced(guess, subject.label)))
