"""Answers about records: what a service says of each candidate, as far as its budget goes."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch

TINY = 1e-30
"""A probability that is answered as 0 is taken for this."""


def answers(view: Served, records: Batch) -> Float[Tensor, "records classes"]:
    """Probabilities for each record, NaN where the budget did not reach or it was refused.

    Each is asked about once, in the order in which they come: it tells nothing, so the first are as good as any.
    """
    if records.labels.dim() != 1:
        raise NotApplicable("a service answers with one probability for each class, and these records have several")
    asked = records.inputs[: view.service.remaining]
    said = torch.full((len(records), view.task.classes), torch.nan, dtype=torch.float64)
    if len(asked):
        said[: len(asked)] = view.service.ask(asked).double()
    return said


def confidence(said: Float[Tensor, "records classes"], records: Batch) -> Float[Tensor, " records"]:
    """The probability of each record's own label; of what an answer hides, an even share of the rest."""
    own = said.gather(1, records.labels[:, None])[:, 0]
    hidden = (said == 0).sum(1).clamp_min(1)
    return torch.where(own > 0, own, (1 - said.sum(1)).clamp_min(0.0) / hidden)


def filled(scores: Float[Tensor, " records"]) -> Float[Tensor, " records"]:
    """Scores with their mean for records that nothing was said of: no more and no less likely than the others.

    All alike where nothing was said at all, which is guessing.
    """
    known = scores.isfinite()
    usual = scores[known].mean() if known.any() else scores.new_zeros(())
    return torch.where(known, scores, usual)
