"""Stacked updates: what many different updates, each by a few new records, make of some models; all trained at once."""

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.stacked_federations import StackedFederations, require_room
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import generator, seed_of


def updates_of(
    task: Task,
    records: Batch,
    models: NamedTensors,
    known: Bool[Tensor, "models records"],
    training: LocalTraining,
    *,
    count: int,
    clients: int,
    examples: int,
    rounds: int,
    seed: int,
) -> StackedFederations:
    """About so many updates, as many of each model, by records that are not among those it knows.

    `models` are stacked. In an update so many clients train on examples of their own, as many as share out evenly, at
    least one each. A record comes twice in an update only where there are too few; and where an update is by one
    record, there are no more updates of a model than records that it does not know. Raises `NotApplicable` where so
    many take too much memory.
    """
    require_room(task, count)
    rng = generator(seed_of(seed, "updates", clients, examples, rounds), "shares")
    share = max(examples // clients, 1)
    each = max(count // len(known), 1)
    pools = [torch.nonzero(~own)[:, 0] if not own.all() else torch.arange(len(own)) for own in known]
    if share * clients == 1:
        each = min(each, *map(len, pools))
    chosen = torch.cat([_drawn(pool, each, share * clients, rng) for pool in pools])
    shares = chosen.reshape(-1, clients, share)
    return StackedFederations(
        task=task, records=records, shares=shares, training=training, rounds=rounds, seed=seed, start=models
    )


def _drawn(pool: Int[Tensor, " pool"], sets: int, size: int, rng: Generator) -> Int[Tensor, "sets size"]:
    """Sets of records from a pool; of one record each, no two are the same."""
    if size == 1:
        return pool[torch.randperm(len(pool), generator=rng)[:sets]][:, None]
    if size > len(pool):
        return pool[torch.randint(len(pool), (sets, size), generator=rng)]
    return torch.stack([pool[torch.randperm(len(pool), generator=rng)[:size]] for _ in range(sets)])
