"""Shadow versions: how sure the same shadow federations are of records after each of several rounds."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float64
from torch import Tensor

from fedleak.contracts.released import Released
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch

from .shadow_scores import Spread, federations_like, log_odds, scores_of, shadow_log_odds


def ratios_of_versions(
    view: Released, records: Batch, versions: int, count: int, *, online: bool
) -> Iterator[Float64[Tensor, " records"]]:
    """The log-likelihood ratio of each of the last so many releases, the first of them first; see `likelihood_ratio`.

    Shadows go on from one release to the next, as the observed federation did.
    """
    releases = (*view.earlier, view)[-versions:]
    pool = records if online else view.auxiliary
    if pool is None or not len(pool):
        raise NotApplicable(
            "the adversary holds no public examples to train shadow models on; online = true needs none"
        )
    asked = replace(federations_like(view, pool, count), rounds=releases[0].round)
    for one, later in zip(releases, (*releases[1:], None), strict=True):
        stacked = view.shadows.trained(asked)
        odds = log_odds(scores_of(view.task, one.weights, records), records)
        shadows = shadow_log_odds(view.task, stacked, records)
        had = asked.trains_on.double() if online else torch.zeros_like(shadows)
        outside = Spread.of(shadows, 1 - had)
        if online:
            yield Spread.of(shadows, had).log_likelihood(odds) - outside.log_likelihood(odds)
        else:
            yield (odds - outside.mean) / outside.variance.sqrt()
        if later is not None:
            asked = asked.continued(stacked, later.round - one.round)
