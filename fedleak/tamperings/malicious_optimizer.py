"""Malicious optimizer: a party's own steps grow wherever they keep their sign, so that its network learns the most."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fedleak.contracts.tampering import PublicTerms, Tampering, tamperings
from fedleak.errors import ConfigError
from fedleak.learning.split import ACTIVE
from fedleak.learning.weights import NamedTensors
from fedleak.settings.base import Amount, Rate


@tamperings.register("malicious-optimizer")
@dataclass(frozen=True, kw_only=True)
class MaliciousOptimizer(Tampering):
    """Each weight's step is multiplied by `1 + gamma * step / last step`, no less than `least` and no more than `most`.

    A step that keeps its sign grows, one that changes it stays: the bottom network runs ahead, the joint network leans
    on what it sends, and it ends up with more of what the labels say. The last step is the one that was made, as in the
    authors' code; of nothing but zeros no ratio is taken. The optimizer's own momentum stays honest.
    """

    paper: ClassVar = "https://www.usenix.org/conference/usenixsecurity22/presentation/fu-chong"
    cites: ClassVar = "fu2022label"
    by: ClassVar = "party"
    leaves: ClassVar = "columns"
    deed: ClassVar = "makes the steps of its own network larger wherever they keep their sign"
    parties: tuple[int, ...] = ()
    """Who does it, by number; none: all but the active one."""
    gamma: Amount = 1.0
    least: Rate = 1.0
    most: Rate = 5.0

    def __post_init__(self) -> None:
        if len(set(self.parties)) < len(self.parties):
            raise ConfigError(f"malicious-optimizer: expected each party once, got {list(self.parties)}")
        if self.least > self.most:
            raise ConfigError(
                f"malicious-optimizer: expected factors 0 < least <= most, got least = {self.least:g} and most = "
                f"{self.most:g}"
            )

    def require(self, terms: PublicTerms) -> None:
        strangers = [party for party in self.parties if not ACTIVE < party < terms.federation.clients]
        if strangers:
            raise ConfigError(
                f"malicious-optimizer: party {strangers[0]} has no labels to find out, or is none; expected parties "
                f"from 1 to {terms.federation.clients - 1}"
            )

    def change(self, party: int, change: NamedTensors, kept: NamedTensors) -> tuple[NamedTensors, NamedTensors]:
        if self.parties and party not in self.parties:
            return change, kept
        own = {name: step * self._factor(step, kept[name]) if kept else step for name, step in change.items()}
        return own, own

    def _factor(self, step: Tensor, last: Tensor) -> Tensor:
        ratio = torch.where(last == 0, 0.0, step / last)
        factor: Tensor = (1 + self.gamma * ratio).clamp(self.least, self.most)
        return factor
