"""Shadow scores: how sure models that did, and did not, train on a record are of its label."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float64
from torch import Tensor
from torch.func import vmap

from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.shadows import stacked_defenses
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.progress import report

AT_ONCE = 8
"""Models that look at all records together."""
SUREST = 16.0
"""Log-odds beyond which a probability in float32 says no more."""
MOST = 0.75
"""Of the records that a federation trains on at most, so that there are models without each of them."""
NARROWEST = 1e-12
"""A variance is not taken for less."""


def federations_like(view: Released | Served, records: Batch, count: int) -> StackedFederations:
    """So many federations like the observed one, each on some of the records by chance, under its defenses.

    Which of them cannot be done there, `left_out_of_shadows` says. As many records as the observed one trained on; half
    of them where that is unknown or more than there are.
    """
    known = view.num_examples
    examples = known if known is not None and known <= MOST * len(records) else len(records) // 2
    asked = StackedFederations.drawn(
        view.task,
        records,
        view.training,
        federations=count,
        clients=len(view.cohort),
        examples=examples,
        rounds=view.round,
    )
    return replace(asked, defenses=stacked_defenses(view.defense))


def log_odds(scores: Float64[Tensor, "*models records classes"], records: Batch) -> Float64[Tensor, "*models records"]:
    """`log(p / (1 - p))` of the probability of each record's own label, from the scores before the softmax."""
    if records.labels.dim() != 1:
        raise NotApplicable("how sure a model is of a label is asked where an example has one, and these have several")
    own = records.labels.view(-1, 1).expand(*scores.shape[:-1], 1)
    rest = scores.scatter(-1, own, -torch.inf).logsumexp(-1)
    return (scores.gather(-1, own)[..., 0] - rest).clamp(-SUREST, SUREST)


def scores_of(task: Task, weights: Weights, records: Batch) -> Float64[Tensor, "records classes"]:
    """What one model says of all records."""
    with torch.no_grad():
        return task.logits(weights, records.inputs, mode="eval").double()


def shadow_scores(
    task: Task, stacked: NamedTensors, records: Batch
) -> Iterator[Float64[Tensor, "some records classes"]]:
    """What some stacked models say of all records, a few models at a time."""
    buffers = Weights.of(task.network).buffers

    def scores(parameters: NamedTensors) -> Tensor:
        return task.logits(Weights(parameters, buffers), records.inputs, mode="eval")

    models = len(next(iter(stacked.values())))
    for places in torch.split(torch.arange(models), AT_ONCE):
        report(int(places[0]), models)
        with torch.no_grad():
            yield vmap(scores)({name: value[places] for name, value in stacked.items()}).double()


def shadow_log_odds(task: Task, stacked: NamedTensors, records: Batch) -> Float64[Tensor, "models records"]:
    """The log-odds that each of some stacked models gives each record."""
    return torch.cat([log_odds(scores, records) for scores in shadow_scores(task, stacked, records)])


@dataclass(frozen=True)
class Spread:
    """Mean log-odds of each record over some models, and the variance about these means, pooled over records.

    A dozen models for each record are too few for a variance of its own.
    """

    mean: Float64[Tensor, " records"]
    variance: Float64[Tensor, ""]

    @classmethod
    def of(cls, odds: Float64[Tensor, "models records"], counted: Float64[Tensor, "models records"]) -> "Spread":
        """Over the models that count for a record (1, else 0); where none does, what is usual among all records.

        What is not finite counts for nothing.
        """
        counted, odds = counted * odds.isfinite(), odds.nan_to_num()
        models = counted.sum(0)
        usual = (odds * counted).sum() / counted.sum().clamp_min(1.0)
        mean = torch.where(models > 0, (odds * counted).sum(0) / models.clamp_min(1.0), usual)
        about = ((odds - mean).square() * counted).sum()
        return cls(mean, (about / (models - 1).clamp_min(0.0).sum().clamp_min(1.0)).clamp_min(NARROWEST))

    def log_likelihood(self, odds: Float64[Tensor, " records"]) -> Float64[Tensor, " records"]:
        """Of a normal distribution, but for a constant."""
        return -(odds - self.mean).square() / (2 * self.variance) - self.variance.log() / 2


@dataclass(frozen=True)
class Shadows:
    """Models of the adversary's own, and which of the records each trained on."""

    stacked: NamedTensors
    records: Batch
    """What they were trained on some of."""
    trained_on: Bool[Tensor, "models records"]
    online: bool
    """Whether these are the records that are asked about; else no model trained on any of those."""

    @classmethod
    def of(cls, view: Released | Served, records: Batch, count: int, *, online: bool) -> "Shadows":
        """So many like the observed one; raises `NotApplicable` where there is nothing to train them on."""
        pool = records if online else view.auxiliary
        if pool is None or not len(pool):
            raise NotApplicable(
                "the adversary holds no public examples to train shadow models on; online = true needs none"
            )
        asked = federations_like(view, pool, count)
        return cls(view.shadows.trained(asked), pool, asked.trains_on, online)

    def likelihood_ratio(
        self, odds: Float64[Tensor, " records"], own: Float64[Tensor, "models records"]
    ) -> Float64[Tensor, " records"]:
        """How much likelier the target's log-odds are of a model that trained on a record than of one that did not.

        `own` is what these models give the same records. Offline how far the target is above them, in standard
        deviations.
        """
        if not self.online:
            outside = Spread.of(own, torch.ones_like(own))
            return (odds - outside.mean) / outside.variance.sqrt()
        trained_on = self.trained_on.double()
        inside, outside = Spread.of(own, trained_on), Spread.of(own, 1 - trained_on)
        return inside.log_likelihood(odds) - outside.log_likelihood(odds)


def likelihood_ratio(
    view: Released | Served, records: Batch, odds: Float64[Tensor, " records"], count: int, *, online: bool
) -> Float64[Tensor, " records"]:
    """The likelihood ratio of log-odds that the target gives records, by so many models of the adversary's own."""
    shadows = Shadows.of(view, records, count, online=online)
    return shadows.likelihood_ratio(odds, shadow_log_odds(view.task, shadows.stacked, records))
