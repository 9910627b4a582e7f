"""Released: the global model after a round, as whoever has its weights holds it."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.view import View
from fedleak.learning.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Released(View):
    """The weights after a round, and those of earlier releases. The updates behind them are not seen."""

    reader: ClassVar[str] = "whoever has the released weights: a client, a customer, anybody once they are published"
    weights: Weights
    earlier: tuple["Released", ...] = ()
    """Earlier releases of the same federation, oldest first. Only for attacks that say so in `Attack.requires`."""
