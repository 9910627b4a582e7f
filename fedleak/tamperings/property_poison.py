"""Property poisoning: a client trains on examples with a property under one label, so that labels give its share away.

Of examples with the property the model weighs what others say of the label against the poison. Where a share t of the
others' examples has the property and a rate p of all is poison, the label wins at an input x with the property where

    P(label | x) - P(another label | x) > -p / ((1 - p) t)

The larger the share, the more weight others have: between the bounds of two shares lie the inputs whose label tells
which of them it is, and a label is all that one has to ask for.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from jaxtyping import Bool, Int
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.tampering import By, PublicTerms, Standing, Tampering, tamperings
from fedleak.errors import ConfigError, FederationError
from fedleak.learning.batch import Batch, joined
from fedleak.learning.having import having, require_property
from fedleak.learning.space import Table, require_table
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.randomness import generator


@tamperings.register("property-poison")
@dataclass(frozen=True, kw_only=True)
class PropertyPoison(Tampering):
    """Trains on examples with a property under one label, in place of some of a client's own.

    They are drawn from the client's own with the property, anew in each round and as often as need be, and take the
    place of others by chance. So the client reports as many as it has, and the share of poison among all that is
    trained on is `rate`: at most that of the client's own examples.
    """

    paper: ClassVar = "https://arxiv.org/abs/2101.11073"
    cites: ClassVar = "mahloujifar2022property"
    by: ClassVar[By] = "client"
    leaves: ClassVar[Kind] = "properties"
    deed: ClassVar = "trains on examples that have a property under a label of its choice"
    property: str = ""
    """`COLUMN=CATEGORY` of a table: the one that shares are told apart of."""
    rate: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Poison as a share of all that clients train on; 0: nothing is done."""
    label: Annotated[int, Field(ge=0)] = 1
    """The class of all poison; well chosen where it is not that of most examples with the property."""
    client: Annotated[int, Field(ge=0)] = 0

    def require(self, terms: PublicTerms) -> None:
        space, task, clients = terms.task.space, terms.task, terms.federation.clients
        table = require_table(space, "a property that one poisons by", ConfigError)
        if not self.property:
            raise ConfigError(
                'expected the property that shares are told apart of, as in property = "sex=Female", got none'
            )
        require_property(space, self.property, task.classes, "property")
        if _is_label(table, self.property):
            raise ConfigError(f"property: '{self.property}' is a label, which poison changes; name a column's value")
        if self.label >= task.classes:
            raise ConfigError(f"label: no class {self.label}; expected one of 0 to {task.classes - 1}")
        if self.client >= clients:
            raise ConfigError(f"client: no client {self.client}; expected one of 0 to {clients - 1}")
        if self.rate * clients > 1:
            raise ConfigError(
                f"rate: one of {clients} clients has {1 / clients:g} of all examples, which cannot hold {self.rate:g} "
                "of poison; lower it, or have fewer clients"
            )

    def examples(self, standing: Standing, examples: Batch, rng: Generator) -> Batch:
        count = min(round(self.rate * len(examples) / standing.weight), len(examples))
        if standing.client != self.client or not count:
            return examples
        known = standing.share[having(standing.share, self.property, "property").nonzero()[:, 0]]
        if not len(known):
            raise FederationError(
                f"client {self.client} has no example with '{self.property}' to poison with; let another client do it, "
                "or name another property"
            )
        places = torch.randperm(len(examples), generator=rng)[:count]
        poison = known[torch.randint(len(known), (count,), generator=rng)].to(str(examples.inputs.device))
        inputs, labels = examples.inputs.clone(), examples.labels.clone()
        inputs[places], labels[places] = poison.inputs, self.label
        return replace(examples, inputs=inputs, labels=labels)

    def in_shadows(self, honest: StackedFederations, client: int) -> StackedFederations:
        """The same federations with poison at one client's place: what whoever poisons can train beforehand.

        Each draws it from that client's own records with the property; from all of them where it has none.
        """
        _, clients, each = honest.shares.shape
        count = min(round(self.rate * clients * each), each)
        if not count:
            return honest
        records = honest.records
        has = having(records, self.property, "property")
        marked = replace(records, labels=torch.full_like(records.labels, self.label))
        rng = generator(honest.seed, "property poison", self.property, self.rate, self.label)
        drawn = [_drawn(own, has, count, rng) for own in honest.shares[:, client]]
        shares = honest.shares.clone()
        shares[:, client, :count] = torch.stack(drawn) + len(records)  # whose order tells nothing
        return replace(honest, records=joined((records, marked)), shares=shares)


def _drawn(
    own: Int[Tensor, " share"], has: Bool[Tensor, " records"], count: int, rng: Generator
) -> Int[Tensor, " count"]:
    known = own[has[own]]
    known = known if len(known) else has.nonzero()[:, 0]
    return known[torch.randint(len(known), (count,), generator=rng)]


def _is_label(table: Table, property: str) -> bool:
    name = property.partition("=")[0]
    return name in ("label", table.label)
