"""FedBN: batch normalization layers that are not shared."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.layers import batch_norms
from fedleak.learning.task import Task


@defenses.register("withhold-batch-norm")
@dataclass(frozen=True, kw_only=True)
class WithholdBatchNorm(Defense):
    """Never sends the parameters and statistics of BatchNorm layers; every client keeps its own from round to round.

    The statistics tell mean and variance of every channel over a client's examples, the best prior an attack can have.
    """

    paper: ClassVar = "https://arxiv.org/abs/2102.07623"
    cites: ClassVar = "li2021fedbn"
    adaptive_strategy: ClassVar[str] = "matches the layers that are shared alone"

    def require(self, task: Task) -> None:
        if not batch_norms(task.network):
            raise ConfigError(
                f"withhold-batch-norm: '{task.name}' has no BatchNorm layer to withhold; take a model that has, "
                "such as 'bn-convnet', or name layers with 'withhold'"
            )

    def withheld(self, task: Task) -> frozenset[str]:
        return frozenset(
            f"{place}.{name}" for place, layer in batch_norms(task.network).items() for name in layer.state_dict()
        )
