"""Training facts: what is declared about how a client trains, without the training itself."""

from dataclasses import dataclass, fields, replace
from typing import Literal

Mode = Literal["train", "eval"]


@dataclass(frozen=True, kw_only=True)
class LocalTraining:
    """One round of local SGD. In an `Observation` a field may be None: unknown to the adversary.

    `batches` batches of `batch_size` examples, `epochs` times over: FedSGD is one batch, one epoch.
    """

    batch_size: int | None = 1
    batches: int | None = 1
    epochs: int | None = 1
    learning_rate: float | None = 0.1
    momentum: float | None = 0.0
    weight_decay: float | None = 0.0
    mode: Mode | None = "train"

    @property
    def steps(self) -> int | None:
        """Number of optimizer steps, None where unknown."""
        return None if self.batches is None or self.epochs is None else self.batches * self.epochs

    @property
    def effective_steps(self) -> float | None:
        """How many times a constant gradient ends up in the sum of all steps, None where unknown.

        `Σ_t (1 - mᵗ) / (1 - m)` over the steps t, for momentum m; without momentum the number of steps.
        """
        momentum = self.momentum or 0.0
        if self.steps is None:
            return None
        if momentum == 0.0:
            return float(self.steps)
        if momentum == 1.0:
            return self.steps * (self.steps + 1) / 2
        return sum((1 - momentum**step) / (1 - momentum) for step in range(1, self.steps + 1))

    def unknown(self) -> tuple[str, ...]:
        """Names of the fields that are unknown."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is None)

    def hiding(self, names: tuple[str, ...]) -> "LocalTraining":
        """The same facts with some of them unknown."""
        return replace(self, **dict.fromkeys(names))

    def known_or(self, other: "LocalTraining") -> "LocalTraining":
        """These facts, with what is unknown here taken from `other`."""
        return replace(
            other,
            **{f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None},
        )
