"""Skew: leaves out clients' examples until a stated share of them has a property."""

from fractions import Fraction

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from fedleak.errors import ConfigError, did_you_mean
from fedleak.learning.batch import Batch
from fedleak.learning.space import Table, require_table
from fedleak.randomness import generator
from fedleak.settings.skew import Skew

PLACE = "federation.skew"
LABEL = "label"


def skewed(examples: Batch, skew: Skew, seed: int) -> Int[Tensor, " kept"]:
    """Places of as many examples as there can be of which a share has the property, drawn by the seed, in order.

    Raises `ConfigError` for a property that the data lack, that nobody has, or that everybody has where some must not.
    """
    has = _having(examples, skew.property)
    ours, others = (_shuffled(places, seed) for places in (has.nonzero()[:, 0], (~has).nonzero()[:, 0]))
    share = Fraction(str(skew.share))
    for places, needed, who in ((ours, share, "nobody"), (others, 1 - share, "everybody")):
        if needed and not len(places):
            raise ConfigError(
                f"{PLACE}: {who} has '{skew.property}' among the clients' {len(examples)} examples, so a share of "
                f"{skew.share:g} cannot be made; name another property"
            )
    limits = [len(ours) / share if share else None, len(others) / (1 - share) if share < 1 else None]
    whole = int(min(limit for limit in limits if limit is not None))
    with_it = min(round(whole * share), len(ours))
    return torch.cat([ours[:with_it], others[: whole - with_it]]).sort().values


def _having(examples: Batch, property: str) -> Bool[Tensor, " examples"]:
    name, _, value = property.partition("=")
    space = examples.space
    if name == LABEL or (isinstance(space, Table) and name == space.label):
        return examples.labels == _class_of(examples, value)
    table = require_table(space, f"{PLACE}.property: '{name}', a column,", ConfigError)
    return (examples.inputs[:, table.places(name)] == table.row(name, value)).all(1)


def _class_of(examples: Batch, value: str) -> int:
    """The index of a class that is named by its index, or by what the label says where the space knows it."""
    if examples.labels.dim() != 1:
        raise ConfigError(f"{PLACE}.property: expected examples of one label each, these have sets of them")
    known = examples.space.classes or tuple(map(str, range(int(examples.labels.max()) + 1)))
    if value not in known:
        raise ConfigError(f"{PLACE}.property: no label is called '{value}'{did_you_mean(value, known)}")
    return known.index(value)


def _shuffled(places: Int[Tensor, " places"], seed: int) -> Int[Tensor, " places"]:
    return places[torch.randperm(len(places), generator=generator(seed, "skew", len(places)))]
