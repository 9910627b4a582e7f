"""Likelihood as a loss: of networks that say how likely an example is, and not its class alone, as generators do.

Cross-entropy takes scores by their differences, so that whatever all classes of an example have in common, how likely
it is itself, is never trained. Here the score of an example's own class counts as it is.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from fedleak.learning.batch import as_shares
from fedleak.learning.loss import Criterion, Labels, Scores


@dataclass(frozen=True, kw_only=True)
class Likelihood(Criterion):
    """Minus the score of an example's class, of networks whose scores are how likely example and class are together.

    Its derivative by the scores is -1 at the own class and 0 elsewhere, whatever the scores are: it does not tell how
    sure a network is, and it has no least value unless scores have a greatest one. No label rule is derived for it:
    what comes before the scores of such a network is no linear layer.
    """

    @property
    def words(self) -> str:
        return "minus the log-likelihood of example and class"

    def each(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:
        return -(scores * as_shares(labels, scores)).sum(1)
