"""Ranks of members' scores among others': what both metrics of membership and ROCs are made of. Registers no metric."""

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

    def found_at(self, rate: float) -> Float64[Tensor, " members"]:
        """Whether each is found by the threshold that takes so large a share of the others for members.

        The rate is met exactly: where it falls on tied scores or between two, a member counts as found in part, as
        often as a threshold drawn at random would find it.
        """
        found: Tensor = ((rate * self.others - self.above) / self.same.clamp_min(1)).clamp(0, 1)
        return found

    @property
    def below(self) -> Float64[Tensor, " members"]:
        """The share of the others that scored lower; those that scored the same count half."""
        share: Tensor = 1 - (self.above + self.same / 2) / self.others
        return share
