"""Planted copies: public examples that coins give to clients, so that who knows them can be asked who has them."""

import torch
from jaxtyping import Int64
from torch import Tensor

from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch, joined
from fedleak.randomness import generator

NOBODY = -1


def owners_of(planted: int, clients: int, seed: int) -> Int64[Tensor, " planted"]:
    """For each of the first public examples the client that holds a copy, or `NOBODY`: a fair coin for each.

    Of those with a client each is as likely; whoever knows all but the seed can only guess.
    """
    rng = generator(seed, "planted copies")
    given = torch.rand(planted, generator=rng) < 0.5
    owners = torch.randint(clients, (planted,), generator=rng)
    return torch.where(given, owners, NOBODY)


def with_planted(share: Batch, public: Batch, planted: int, clients: int, seed: int, client: int) -> Batch:
    """A client's examples with the copies that it holds behind them; raises `ConfigError` where there are fewer."""
    if planted > len(public):
        raise ConfigError(
            f"federation.planted: expected at most the {len(public)} public examples that there are, got {planted}; "
            "lower it"
        )
    return joined([share, public[torch.nonzero(owners_of(planted, clients, seed) == client).flatten()]])
