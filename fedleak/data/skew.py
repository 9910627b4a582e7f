"""Skew: leaves out clients' examples until a stated share of them has a property."""

from fractions import Fraction

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.having import having, require_property
from fedleak.randomness import generator
from fedleak.settings.skew import Skew

PLACE = "federation.skew"


def skewed(examples: Batch, skew: Skew, seed: int) -> Int[Tensor, " kept"]:
    """Places of as many examples as there can be of which a share has the property, drawn by the seed, in order.

    Raises `ConfigError` for a property that the data lack, that nobody has, or that everybody has where some must not.
    """
    place = f"{PLACE}.property"
    require_property(examples.space, skew.property, int(examples.labels.max()) + 1, place)
    has = having(examples, skew.property, place)
    ours, others = (_shuffled(places, seed) for places in (has.nonzero()[:, 0], (~has).nonzero()[:, 0]))
    share = Fraction(str(skew.of_seed(seed)))
    for places, needed, who in ((ours, share, "nobody"), (others, 1 - share, "everybody")):
        if needed and not len(places):
            raise ConfigError(
                f"{PLACE}: {who} has '{skew.property}' among the clients' {len(examples)} examples, so a share of "
                f"{float(share):g} cannot be made; name another property"
            )
    limits = [len(ours) / share if share else None, len(others) / (1 - share) if share < 1 else None]
    whole = int(min(limit for limit in limits if limit is not None))
    with_it = min(round(whole * share), len(ours))
    return torch.cat([ours[:with_it], others[: whole - with_it]]).sort().values


def _shuffled(places: Int[Tensor, " places"], seed: int) -> Int[Tensor, " places"]:
    return places[torch.randperm(len(places), generator=generator(seed, "skew", len(places)))]
