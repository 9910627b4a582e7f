"""Larger batches: more examples in every local step."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.defense import Defense, defenses
from fedleak.settings.base import Count
from fedleak.settings.federation import FederationSettings


@defenses.register("larger-batches")
@dataclass(frozen=True, kw_only=True)
class LargerBatches(Defense):
    """Averages every gradient over `times` as many examples, so that attackers have more to tell apart.

    A client trains on that many more examples in a round, unless `batches` is "all". The batch size is public. Nothing
    is proved by it: attacks on linear layers recover batches of hundreds, https://arxiv.org/abs/2510.24200.
    """

    paper: ClassVar = "https://arxiv.org/abs/2104.07586"
    cites: ClassVar = "yin2021see"
    adaptive_strategy: ClassVar[str] = "guesses as many examples as the batches are known to have"
    times: Count = 8
    """Factor on the federation's batch size."""

    def settings(self, federation: FederationSettings) -> FederationSettings:
        return federation.model_copy(update={"batch_size": self.times * federation.batch_size})
