"""More local steps in a round."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.defense import Defense, defenses
from fedleak.settings.base import Count, parse_settings
from fedleak.settings.federation import FederationSettings


@defenses.register("more-local-steps")
@dataclass(frozen=True, kw_only=True)
class MoreLocalSteps(Defense):
    """Goes `times` as often over a round's examples before anything is sent, so that no single gradient leaves.

    What leaves is a sum of gradients at weights that only the first of is known. The number of epochs is public.
    """

    paper: ClassVar = "https://arxiv.org/abs/1602.05629"
    cites: ClassVar = "mcmahan2017communication"
    adaptive_strategy: ClassVar[str] = "knows how many steps an update is of, as of any federation"
    times: Count = 4
    """Factor on the federation's epochs."""

    def settings(self, federation: FederationSettings) -> FederationSettings:
        changed = {**federation.model_dump(), "epochs": self.times * federation.epochs}
        return parse_settings(FederationSettings, changed, "more-local-steps")
