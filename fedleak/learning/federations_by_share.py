"""Stacked federations of which some train on one share of records with a property, and the others on other shares."""

from collections.abc import Sequence
from math import floor

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.stacked_federations import StackedFederations, dice_of
from fedleak.learning.task import Task
from fedleak.randomness import generator


def federations_by_share(
    task: Task,
    records: Batch,
    training: LocalTraining,
    *,
    has: Bool[Tensor, " records"],
    shares: Sequence[float],
    federations: int,
    clients: int,
    examples: int | None,
    rounds: int,
) -> tuple[StackedFederations, Int[Tensor, " federations"]]:
    """So many federations, of each share of records that have a property as many, and which of the shares each has.

    Each has other records by chance, none of them twice, mixed among its clients; None of `examples`: as many as there
    can be under every share. Dice are cast by what the records are. Raises `NotApplicable` where there are too few.
    """
    ours, others = (int(count) for count in (has.sum(), (~has).sum()))
    if examples is None:
        examples = min(floor(_most(ours, others, share)) for share in shares)
    each = examples // clients
    if each < 1:
        raise NotApplicable(f"{clients} clients cannot share out {examples} examples, which is all that there can be")
    whole = each * clients
    for share in shares:
        wanted = round(whole * share)
        if wanted > ours or whole - wanted > others:
            raise NotApplicable(
                f"models of its own need {wanted} public examples with the property and {whole - wanted} without for a "
                f"share of {share:g} among {whole}, and there are {ours} and {others}; raise adversary.auxiliary, or "
                "lower federation.examples"
            )
    answers = torch.arange(federations) % len(shares)
    seed = dice_of(records)
    rng = generator(seed, "records by share", *shares)
    rows = [_drawn(has, round(whole * shares[int(answer)]), whole, rng) for answer in answers]
    asked = StackedFederations(
        task=task,
        records=records,
        shares=torch.stack(rows).reshape(federations, clients, each),
        training=training,
        rounds=rounds,
        seed=seed,
    )
    return asked, answers


def _drawn(has: Bool[Tensor, " records"], ours: int, whole: int, rng: torch.Generator) -> Int[Tensor, " whole"]:
    """Places of so many records, `ours` of which have the property, in an order that tells nothing."""
    order = torch.randperm(len(has), generator=rng)
    mine = has[order]
    chosen = torch.cat([order[mine][:ours], order[~mine][: whole - ours]])
    return chosen[torch.randperm(whole, generator=rng)]


def _most(ours: int, others: int, share: float) -> float:
    """How many records there can be of which a share has the property."""
    return min(ours / share if share else torch.inf, others / (1 - share) if share < 1 else torch.inf)
