"""Columns of a party: its own of every row, and the rows that all parties have aligned."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.splitting import places_of
from fedleak.data.splits import load
from fedleak.errors import ConfigError, FederationError
from fedleak.federation.plan import FederationPlan
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source
from fedleak.learning.space import space_of_source
from fedleak.learning.split import ACTIVE
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import generator
from fedleak.settings.columns import Split


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What one party holds of a split of the data."""

    inputs: Float[Tensor, "rows *own"]
    labels: Int[Tensor, " rows"] | None
    """None but for the active party."""

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def tensors(self) -> NamedTensors:
        """By name, as files have them."""
        return {"inputs": self.inputs, **({} if self.labels is None else {"labels": self.labels})}

    def __getitem__(self, rows: Int[Tensor, " chosen"]) -> "Columns":
        if len(rows) and not (int(rows.min()) >= 0 and int(rows.max()) < len(self)):
            raise FederationError(
                f"expected rows from 0 to {len(self) - 1}, got {int(rows.min())} to {int(rows.max())}"
            )
        return Columns(inputs=self.inputs[rows], labels=None if self.labels is None else self.labels[rows])


def require_rows(plan: FederationPlan) -> None:
    """Refuses to train a whole network on examples where the client holds columns, whatever a server asks."""
    if plan.federation.split is not None:
        raise FederationError(
            'federation.partition = "columns": this client holds columns, and no examples to train on'
        )


def split_of(plan: FederationPlan) -> Split:
    """How the network is cut; refuses where the client holds examples."""
    if plan.federation.split is None:
        raise FederationError('federation.partition = "rows": this client holds examples, and no columns')
    return plan.federation.split


def columns_of(plan: FederationPlan, party: int, *, test: bool = False) -> Columns:
    """The party's columns of the rows that are trained on, or of those of the test split."""
    return _columns(plan.source, split_of(plan), party, None if test else plan.federation.examples, plan.seed, test)


@lru_cache(maxsize=16)
def _columns(source: Source, split: Split, party: int, most: int | None, seed: int, test: bool) -> Columns:
    rows = load(source).test if test else _capped(load(source).clients, most, seed)
    own = places_of(space_of_source(source), split)[party]
    return Columns(inputs=rows.inputs[..., own].contiguous(), labels=rows.labels if party == ACTIVE else None)


def _capped(rows: Batch, most: int | None, seed: int) -> Batch:
    """The same rows for every party."""
    if most is None:
        return rows
    if most > len(rows):
        raise ConfigError(f"federation.examples: the parties have {len(rows)} rows, got {most}; lower it")
    return rows[torch.randperm(len(rows), generator=generator(seed, "rows held"))[:most].sort().values]
