"""PRECODE: a variational bottleneck before the last dense layer."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.dense import dense_layers, in_front, require_dense_layer
from fedleak.learning.layers import StandardNormal
from fedleak.learning.task import Penalty, Task
from fedleak.learning.update import Update
from fedleak.learning.weights import NamedTensors
from fedleak.settings.base import Amount

CHILD = "bottleneck"
"""What it is called below the layer that it is before."""


@defenses.register("precode")
@dataclass(frozen=True, kw_only=True)
class Precode(Defense):
    """Puts a variational bottleneck before the last dense layer: it is trained on random codes of its features.

    The features become mean and standard deviation (softplus) of `codes` normal variables; a draw of them is decoded
    to features again. The loss gains `beta` times the divergence of those from N(0, 1), in nats and averaged over the
    batch. What the draw makes random are the gradients from the bottleneck on; those before it it disturbs no more
    than other features would. In eval mode the code is the mean.
    """

    paper: ClassVar = "https://arxiv.org/abs/2108.04725"
    cites: ClassVar = "scheliga2022precode"
    stochastic: ClassVar = True
    adaptive_strategy: ClassVar[str] = "finds the draw together with the images, and matches the layers up to it alone"
    codes: Annotated[int, Field(ge=1, le=2**16)] = 256
    """Width of the bottleneck."""
    beta: Amount = 1e-3
    """Weight of the divergence."""

    def require(self, task: Task) -> None:
        require_dense_layer(task, self.name)

    def transform_task(self, task: Task) -> Task:
        last = dense_layers(task.network)[-1]
        width = task.network.get_submodule(last).get_parameter("weight").shape[1]
        network = in_front(task.network, last, CHILD, Bottleneck(width, self.codes))
        penalty = Penalty(f"{last}.{CHILD}.encoder".removeprefix("."), partial(far_from_normal, self.beta))
        return replace(task, network=network, penalties=(*task.penalties, penalty))

    def observed_mask(self, sent: Update) -> NamedTensors:
        """All but what comes after the draw, whose gradients are a product of it: the decoder and the layer behind.

        The encoder's say more: each example adds one multiple of its features. Source: https://arxiv.org/abs/2208.04767
        """
        decoder = [name for name in sent.tensors if f"{CHILD}.decoder." in name]
        random = {*decoder, *(name.replace(f"{CHILD}.decoder.", "") for name in decoder)}
        return {
            name: torch.full_like(value, name not in random, dtype=torch.bool) for name, value in sent.tensors.items()
        }


class Bottleneck(nn.Module):
    """From features to features by way of a random code."""

    def __init__(self, features: int, codes: int) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(features, 2 * codes), nn.Linear(codes, features)
        self.noise = StandardNormal()

    def forward(self, features: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch features"]:
        mean, deviation = distribution(self.encoder(features))
        decoded: Tensor = self.decoder(mean + deviation * self.noise(mean))
        return decoded


def distribution(
    encoded: Float[Tensor, "*batch twice_codes"],
) -> tuple[Float[Tensor, "*batch codes"], Float[Tensor, "*batch codes"]]:
    """Mean and standard deviation of the code, out of what the encoder gives."""
    mean, spread = encoded.chunk(2, -1)
    return mean, F.softplus(spread)


def divergence(
    mean: Float[Tensor, "*batch codes"], deviation: Float[Tensor, "*batch codes"]
) -> Float[Tensor, "*batch"]:
    """`KL(N(mean, deviation²) || N(0, 1))` in nats."""
    return 0.5 * (mean.square() + deviation.square() - 1 - 2 * deviation.log()).sum(-1)


def far_from_normal(beta: float, encoded: Float[Tensor, "*batch twice_codes"]) -> Float[Tensor, ""]:
    """The penalty, averaged over the batch."""
    return beta * divergence(*distribution(encoded)).mean()
