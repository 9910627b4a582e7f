"""Plan settings: what one federation needs to know."""

from typing import Annotated

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from fedleak.settings.base import Settings
from fedleak.settings.federation import AdversarySettings, FederationSettings, ModelSettings, UtilitySettings
from fedleak.settings.task import TaskSettings

ATTACKERS_SETTINGS = ("vary", "adversary.auxiliary")
"""Varying settings that do not change a federation: it is run once and its messages are attacked under each."""


class PlanSettings(Settings):
    """What one federation needs to know: this and nothing else travels in Flower's run config."""

    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    task: TaskSettings
    federation: FederationSettings = FederationSettings()
    model: ModelSettings = ModelSettings()
    adversary: AdversarySettings = AdversarySettings()
    utility: UtilitySettings = UtilitySettings()

    @property
    def rounds(self) -> int:
        """The recorded rounds and those after them."""
        return self.federation.rounds + self.utility.rounds

    @property
    def phases(self) -> tuple[FederationSettings, ...]:
        """The recorded rounds and, where there are any, those after them: how many, and how the federation trains."""
        if self.utility.rounds == 0:
            return (self.federation,)
        later = self.utility.instead_of(self.federation)
        return self.federation, later.model_copy(update={"rounds": self.utility.rounds})

    @model_validator(mode="after")
    def _few_steps_later(self) -> "PlanSettings":
        try:
            self.utility.instead_of(self.federation)
        except ValidationError as error:
            raise PydanticCustomError("steps", f"utility with {error.errors()[0]['msg']}") from error
        return self
