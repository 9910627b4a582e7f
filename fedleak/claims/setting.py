"""Settings of differential privacy as people write them, by the names that Flower and Opacus give them."""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field

from fedleak.claims.claimed import Claimed
from fedleak.settings.base import Count, Settings

Delta = Annotated[float, Field(gt=0, lt=1)]
DELTA = 1e-5
"""Where a setting names none."""


class DpSetting(Settings, ABC):
    """A setting that is worth some epsilon."""

    use: str
    uses: ClassVar[tuple[str, ...]]
    """Names of the classes or functions whose arguments the fields are."""
    rounds: Count = 1
    """Rounds of the federation that a client takes part in at most."""
    clients: Count | None = None
    """In the whole federation."""

    @abstractmethod
    def claimed(self) -> Claimed:
        """What it is worth, and what is wrong in it."""
