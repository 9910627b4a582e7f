"""Imprint: a layer whose rows are all alike but for their thresholds, so that each input moves the rows below it alone.

Row k sees `z_k = <W_k, x> + b_k` with `W_k = g_k v` and `b_k = -g_k q_k`: all rows look along one direction v, from one
threshold q_k to the next. Whoever ships the network puts such a module before it; where a network begins with a linear
layer and a ReLU, weights alone make one of these. Public mathematics of both sides: who plants it, and who reads it.
Source: Fowl et al. 2022, https://arxiv.org/abs/2110.13057
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from fedleak.learning.layers import BatchNorm, StandardNormal
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights

PASSIVE = (nn.Flatten, nn.Identity)
"""Modules in front of a first linear layer that leave the image what it is."""
MIXING = (BatchNorm, nn.modules.dropout._DropoutNd, StandardNormal)
"""Modules behind which an example depends on others, or on chance."""
SAME, FEWEST = 0.999, 0.05
"""Cosine of two rows of one direction, as weights round it, and the share of rows that must have one."""
NEAR, MANY = 0.5, 0.35
"""The same of rows that noise was added to; of honest rows the cosine is near 0."""
TRIED = 256
"""Rows about which others are looked for."""


class ImprintModule(nn.Module):
    """Adds to all pixels of an image one number, that its rows make of the image; a fresh one adds nothing."""

    def __init__(self, pixels: int, rows: int, ceiling: float | None) -> None:
        """`ceiling`: where rows saturate, so that they have a gradient between 0 and it alone; None: ReLU."""
        super().__init__()
        self.rows, self.out = nn.Linear(pixels, rows), nn.Linear(rows, 1)
        self.activation = nn.ReLU() if ceiling is None else nn.Hardtanh(0.0, ceiling)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    @property
    def sparse(self) -> bool:
        """Whether an input between two thresholds has a gradient in one row alone."""
        return isinstance(self.activation, nn.Hardtanh)

    def forward(self, images: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        flat = images.flatten(1)
        shifted: Tensor = (flat + self.out(self.activation(self.rows(flat)))).reshape(images.shape)
        return shifted


@dataclass(frozen=True, kw_only=True)
class ImprintLayer:
    """Names of the parameters of a layer that is planted, and of the one behind it, which makes its rows' gradients."""

    weight: str
    bias: str
    behind: str
    """The weight of the linear layer behind the rows; each of its columns leads one row on."""
    sparse: bool
    """Whether rows saturate, so that each input between two thresholds moves one row alone."""

    def rows(self, weights: Weights) -> Float64[Tensor, "rows pixels"]:
        return weights.parameters[self.weight].double()

    def planted(self, weights: Weights) -> Bool[Tensor, " rows"]:
        """Which rows look one way, as planted ones do, though honest rows stand among them; none where too few do.

        The largest set of rows about one of them: of the same direction, or, where noise hides them all, of a near one.
        """
        units = nn.functional.normalize(self.rows(weights), dim=1)
        tried = torch.linspace(0, len(units) - 1, min(len(units), TRIED)).round().long()
        cosines = units[tried] @ units.T
        for least, share in ((SAME, FEWEST), (NEAR, MANY)):
            mates = cosines > least
            largest = mates[mates.sum(1).argmax()]
            if largest.sum() >= max(2.0, share * len(units)):
                return largest
        return torch.zeros(len(units), dtype=torch.bool)

    def direction(self, weights: Weights) -> Float64[Tensor, " pixels"]:
        """v, of norm 1: the mean direction of the planted rows."""
        units = nn.functional.normalize(self.rows(weights)[self.planted(weights)], dim=1)
        return nn.functional.normalize(units.sum(0), dim=0)

    def thresholds(self, weights: Weights) -> Float64[Tensor, " rows"]:
        """q_k, where along v a row wakes; infinite of rows that are no planted ones."""
        slopes = self.rows(weights) @ self.direction(weights)
        asleep = torch.full_like(slopes, torch.inf)
        return torch.where(self.planted(weights), -weights.parameters[self.bias].double() / slopes, asleep)

    def gains(self, weights: Weights) -> Float64[Tensor, " rows"]:
        """How the gradient of each row goes with that of the layer behind: its column along the common one.

        Columns of a planted layer are multiples of one another. For the module, which has one output, its weights.
        """
        columns = weights.parameters[self.behind].double()
        common = self.column(weights)
        gains: Tensor = (common @ columns) / common.square().sum().clamp_min(torch.finfo(torch.float64).tiny)
        return gains

    def column(self, weights: Weights) -> Float64[Tensor, " outputs"]:
        """What all columns are multiples of: the largest of them; for the module 1."""
        columns = weights.parameters[self.behind].double()
        if len(columns) == 1:
            return torch.ones(1, dtype=torch.float64)
        return columns[:, columns.square().sum(0).argmax()]


def planted_module(network: nn.Module) -> ImprintLayer | None:
    """The first imprint module of a network; None where it has none."""
    for name, module in network.named_modules():
        if isinstance(module, ImprintModule):
            inside = f"{name}." if name else ""
            return ImprintLayer(
                weight=f"{inside}rows.weight",
                bias=f"{inside}rows.bias",
                behind=f"{inside}out.weight",
                sparse=module.sparse,
            )
    return None


def first_linear(task: Task) -> ImprintLayer | str:
    """A first linear layer on the whole image with a ReLU and a linear layer right behind it, or why there is none.

    Told by the order in which modules are declared, as a rule that in which they run.
    """
    found = _leaves(task)
    first = found[0][1] if found else None
    if not isinstance(first, nn.Linear):
        kind = "nothing" if first is None else type(first).__name__
        return f"the network of '{task.name}' begins with {kind}, not with a linear layer"
    if first.in_features != prod(task.shape):
        return f"the first linear layer of '{task.name}' does not see the whole image"
    return _in_pair(task, found)


def latent_linear(task: Task) -> ImprintLayer | str:
    """The same of the first linear layer behind others, which sees a latent vector of the image.

    What is in front takes each example by itself, and always in the same way.
    """
    found = _leaves(task)
    place = next((place for place, (_, one) in enumerate(found) if isinstance(one, nn.Linear)), None)
    if not place:
        return f"the network of '{task.name}' has no linear layer that is not its first"
    mixing = [type(one).__name__ for _, one in found[:place] if isinstance(one, MIXING)]
    if mixing:
        return f"in front of the first linear layer of '{task.name}' is a {mixing[0]}, which mixes the batch or draws"
    return _in_pair(task, found[place:])


def _leaves(task: Task) -> list[tuple[str, nn.Module]]:
    leaves = [(name, one) for name, one in task.network.named_modules() if not list(one.children())]
    return [(name, one) for name, one in leaves if not isinstance(one, PASSIVE)]


def _in_pair(task: Task, leaves: Sequence[tuple[str, nn.Module]]) -> ImprintLayer | str:
    """The linear layer that comes first, if a ReLU and a second one are right behind it."""
    (name, first), *others = leaves[:3]
    kinds = " and ".join(type(one).__name__ for _, one in others) or "nothing"
    relu, behind = [one for _, one in others] if len(others) == 2 else (None, None)
    if not isinstance(relu, nn.ReLU) or not isinstance(behind, nn.Linear):
        return f"behind the first linear layer of '{task.name}' come {kinds}, not ReLU and Linear"
    if not isinstance(first, nn.Linear) or first.bias is None:
        return f"the first linear layer of '{task.name}' has no bias"
    if behind.in_features != first.out_features:
        return f"the second linear layer of '{task.name}' does not see what the first gives"
    return ImprintLayer(
        weight=f"{name}.weight".lstrip("."),
        bias=f"{name}.bias".lstrip("."),
        behind=f"{others[1][0]}.weight".lstrip("."),
        sparse=False,
    )


def with_parameters(weights: Weights, changed: NamedTensors) -> Weights:
    """The weights with some parameters replaced, each in the type that it had."""
    own = {name: value.to(weights.parameters[name].dtype) for name, value in changed.items()}
    return Weights({**weights.parameters, **own}, weights.buffers)
