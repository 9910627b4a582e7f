"""Kernel sets: a convolution that hands an image on in a block of its own for each client, and rows behind it.

The server sends client c kernels of which those of block c copy the image, times a factor, and all others are zero. So
the rows' weights of block c have the gradient of client c alone, in whatever sum. Rows are those of an imprint, alike
in all blocks. Public mathematics of both sides: who plants it, and who reads it.
Source: Zhao et al. 2024, https://arxiv.org/abs/2303.12233
"""

from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from fedleak.gradients.imprint import ImprintLayer
from fedleak.learning.weights import NamedTensors, Weights


class KernelSetModule(nn.Module):
    """Adds to all pixels of an image one number, that its rows make of the image in its block; a fresh one adds none.

    Beside the blocks rows see a mark of each, a number that is no image's: its weight has the gradient that a bias of
    that block's own would have.
    """

    def __init__(self, shape: tuple[int, int, int], sets: int, rows: int, ceiling: float) -> None:
        """`ceiling`: where rows saturate, so that they have a gradient between 0 and it alone."""
        super().__init__()
        self.shape, self.sets = shape, sets
        self.kernels = nn.Conv2d(shape[0], sets * shape[0], 1, bias=False)
        self.marks = nn.Parameter(torch.zeros(sets))
        self.rows, self.out = nn.Linear(sets * (prod(shape) + 1), rows), nn.Linear(rows, 1)
        self.activation = nn.Hardtanh(0.0, ceiling)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Float[Tensor, "batch *any"]) -> Float[Tensor, "batch *any"]:
        blocks = self.kernels(images.reshape(-1, *self.shape)).flatten(1)
        seen = torch.cat([blocks, self.marks.expand(len(images), -1)], 1)
        shifted: Tensor = images.flatten(1) + self.out(self.activation(self.rows(seen)))
        return shifted.reshape(images.shape)


@dataclass(frozen=True, kw_only=True)
class KernelSets:
    """Names of the parameters of such a module, and how they are laid out."""

    inside: str
    """The module's place in the network, with a dot behind it."""
    sets: int
    channels: int

    @property
    def layer(self) -> ImprintLayer:
        """Its rows."""
        names = {part: f"{self.inside}{part}" for part in ("rows.weight", "rows.bias", "out.weight")}
        return ImprintLayer(
            weight=names["rows.weight"], bias=names["rows.bias"], behind=names["out.weight"], sparse=True
        )

    def planted(self, imprint: NamedTensors, own: int, factor: float) -> NamedTensors:
        """The parameters for whom block `own` is: rows of an imprint, alike in all blocks, and kernels that copy."""
        rows = imprint[self.layer.weight] / factor
        copies = factor * torch.eye(self.channels)[:, :, None, None]
        kernels = torch.zeros(self.sets, *copies.shape)
        kernels[own] = copies
        marks = torch.zeros(self.sets)
        marks[own] = factor
        return {
            **imprint,
            self.layer.weight: torch.cat([rows.repeat(1, self.sets), rows.new_zeros(len(rows), self.sets)], 1),
            f"{self.inside}kernels.weight": kernels.flatten(0, 1),
            f"{self.inside}marks": marks,
        }

    def factor(self, weights: Weights) -> float:
        """What copies are multiplied with, in the weights that anybody was sent."""
        return float(weights.parameters[f"{self.inside}marks"].double().abs().max())

    def own(self, weights: Weights) -> int:
        """The block of whoever was sent these weights."""
        return int(weights.parameters[f"{self.inside}marks"].abs().argmax())

    def block(
        self, rows: Float64[Tensor, "rows blocks"], number: int
    ) -> tuple[Float64[Tensor, "rows pixels"], Float64[Tensor, " rows"]]:
        """Of the rows' weights, or their gradient, what belongs to a block: to its pixels, and to its mark."""
        pixels = rows.shape[1] // self.sets - 1
        return rows[:, number * pixels : (number + 1) * pixels], rows[:, self.sets * pixels + number]


def kernel_sets(network: nn.Module) -> KernelSets | None:
    """The first such module of a network; None where it has none."""
    for name, module in network.named_modules():
        if isinstance(module, KernelSetModule):
            inside = f"{name}." if name else ""
            return KernelSets(inside=inside, sets=module.sets, channels=module.kernels.in_channels)
    return None
