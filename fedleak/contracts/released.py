"""Released: the global model after a round, as whoever has its weights holds it."""

from dataclasses import dataclass, field
from typing import ClassVar

from fedleak.contracts.shadows import ShadowBank
from fedleak.contracts.view import View
from fedleak.learning.facts import LocalTraining
from fedleak.learning.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Released(View):
    """The weights after a round, and those of earlier releases. The updates behind them are not seen."""

    reader: ClassVar[str] = "whoever has the released weights: a client, a customer, anybody once they are published"
    weights: Weights
    training: LocalTraining = field(default_factory=LocalTraining)
    """How each client trained in a round, as far as the adversary knows."""
    num_examples: int | None = None
    """Examples that all clients trained on together, as whoever offers a model tells; None where it is unknown."""
    shadows: ShadowBank = field(default_factory=ShadowBank, repr=False)
    """Where it gets models that it trains itself."""
    earlier: tuple["Released", ...] = ()
    """Earlier releases of the same federation, oldest first. Only for attacks that say so in `Attack.requires`."""
    new_examples: int | None = None
    """Examples trained on since the latest of `earlier`, as whoever offers a model tells; None where nobody asks."""
