"""Training facts: what is declared about how a client trains, without the training itself."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Mode = Literal["train", "eval"]
OptimizerName = Literal["sgd", "adam", "adamw"]
Device = Literal["cpu", "cuda", "mps"]
"""A kind of device that numbers are computed on. Between kinds, results differ in their last bits and more."""


@dataclass(frozen=True, kw_only=True)
class LocalTraining:
    """One round of local training. In an `Observation` a field may be None: unknown to the adversary.

    `batches` batches of `batch_size` examples, `epochs` times over: FedSGD is one batch, one epoch. What an update then
    means is said in `fedleak.learning.update`.
    """

    batch_size: int | None = 1
    batches: int | None = 1
    """Batches of an epoch."""
    epochs: int | None = 1
    learning_rate: float | None = 0.1
    momentum: float | None = 0.0
    weight_decay: float | None = 0.0
    mode: Mode | None = "train"
    optimizer: OptimizerName = "sgd"
    """As in `torch.optim`; its state starts empty each round."""
    nesterov: bool = False
    dampening: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam and AdamW."""
    epsilon: float = 1e-8
    """Of Adam and AdamW."""
    gradient_clipping: float = 0.0
    """Norm that the gradient of a step is clipped to, as `clip_grad_norm_` does; 0: not at all."""
    schedule: str = ""
    """A scheduler of `torch.optim.lr_scheduler` by its class, stepped after each local step; empty: a constant rate."""
    schedule_options: str = "{}"
    """Its keyword arguments, as JSON."""
    accumulation: int = 1
    """Batches whose mean gradient makes one step."""
    drop_last: bool = False
    """Whether the last batch of an epoch is left out where it is smaller."""
    augmentation: tuple[str, ...] = ()
    """Transforms of torchvision that each batch goes through, each as JSON: its class as `name`, and its options."""
    proximal: float = 0.0
    """FedProx's mu: the loss has `mu / 2 |w - w0|^2` besides. https://arxiv.org/abs/1812.06127"""
    sampling_rate: float = 0.0
    """Chance of each example of a client's share to be in a batch, whoever else is in it: Poisson samples, of which
    `batch_size` is the size that sums over them are divided by; 0: batches of a fixed size from a shuffled order."""

    @classmethod
    def of(cls, facts: dict[str, Any]) -> "LocalTraining":
        """Out of JSON, which has lists where these have tuples."""
        read: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
        return cls(**read)

    @property
    def passes(self) -> int | None:
        """Number of batches that are computed, None where unknown."""
        return None if self.batches is None or self.epochs is None else self.batches * self.epochs

    @property
    def steps(self) -> int | None:
        """Number of optimizer steps, None where unknown."""
        if self.batches is None or self.epochs is None:
            return None
        return -(-self.batches // self.accumulation) * self.epochs

    def unknown(self) -> tuple[str, ...]:
        """Names of the fields that are unknown."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is None)

    def hiding(self, names: tuple[str, ...]) -> "LocalTraining":
        """The same facts with some of them unknown."""
        nothing: Any = dict.fromkeys(names)
        return replace(self, **nothing)

    def known_or(self, other: "LocalTraining") -> "LocalTraining":
        """These facts, with what is unknown here taken from `other`."""
        known: Any = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return replace(other, **known)
