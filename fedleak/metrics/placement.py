"""Ranks of members' scores among others'; both metrics of membership are made of them. Registers no metric."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Placement:
    """For each member how many of the others scored higher, and how many the same."""

    above: Float64[Tensor, " members"]
    same: Float64[Tensor, " members"]
    others: int

    @classmethod
    def of(cls, members: Tensor, others: Tensor) -> "Placement":
        """By rank, so whatever rises with a score has the same placement."""
        order = others.double().sort().values
        low = torch.searchsorted(order, members.double().contiguous(), side="left")
        high = torch.searchsorted(order, members.double().contiguous(), side="right")
        return cls(above=(len(order) - high).double(), same=(high - low).double(), others=len(order))

    @property
    def below(self) -> Float64[Tensor, " members"]:
        """The share of the others that scored lower; those that scored the same count half."""
        share: Tensor = 1 - (self.above + self.same / 2) / self.others
        return share
