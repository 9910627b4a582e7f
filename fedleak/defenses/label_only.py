"""The label alone."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from fedleak.contracts.defense import Defense, defenses
from fedleak.contracts.traffic import Asked


@defenses.register("label-only")
@dataclass(frozen=True, kw_only=True)
class LabelOnly(Defense):
    """Answers with the most probable class and no confidence: 1 for that class, 0 for the others.

    Of a row that shows nothing any more nothing is shown.
    """

    paper: ClassVar = "https://arxiv.org/abs/1609.02943"
    cites: ClassVar = "tramer2016stealing"
    adaptive_strategy: ClassVar[str] = "counts labels around a point, whose share says how deep within its class it is"

    @property
    def resolution(self) -> float:
        return 1.0

    def answer(self, asked: Asked, rng: Generator) -> Float[Tensor, "asked classes"]:
        highest, label = asked.probabilities.max(1)
        return one_hot(label, asked.probabilities.shape[1]).to(asked.probabilities) * (highest > 0)[:, None]
