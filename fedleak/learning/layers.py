"""Networks and layers: copies, scores, and what attacks must know of: BatchNorm, noise, normalization, hooks."""

import copy
import math
from collections.abc import Mapping, Sequence
from contextlib import _GeneratorContextManager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

KERNEL = 5
"""Side of the kernels that lead feature maps back to an image."""
BatchNorm = nn.modules.batchnorm._BatchNorm
"""BatchNorm of any dimension; torch has no public name for it."""


def batch_norms(network: nn.Module) -> dict[str, BatchNorm]:
    """The BatchNorm layers of a network by their place in it."""
    return {place: layer for place, layer in network.named_modules() if isinstance(layer, BatchNorm)}


def called(network: nn.Module, state: Mapping[str, Tensor], *arguments: Any) -> Any:
    """What the network returns on these weights in the place of its own, tied ones given under one of their names.

    Torch's `functional_call` ties names: where one layer comes twice, it would leave the given weights in the network.
    """
    names: dict[int, list[str]] = {}
    for place, module in network.named_modules():  # each once
        for name, own in (*module._parameters.items(), *module._buffers.items()):
            if own is not None:
                names.setdefault(id(own), []).append(f"{place}.{name}" if place else name)
    given = dict(state)
    for tied in names.values():
        if len(tied) > 1 and (known := [name for name in tied if name in state]):
            given |= {name: state[known[0]] for name in tied if name not in state}
    return functional_call(network, given, arguments, tie_weights=False)


class StandardNormal(nn.Module):
    """Independent N(0, 1) numbers in the shape of what enters, by torch's global generator; in eval mode zeros.

    A layer of its own, so that an attacker can put numbers in its place.
    """

    def forward(self, like: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return torch.randn_like(like) if self.training else torch.zeros_like(like)


class Normalization:
    """`(x - mean) / std` of each channel before the first layer; no layer of its own, so that names stay what they are.

    A forward pre-hook of the whole network: whoever runs the network runs it too.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.mean = torch.tensor(mean, dtype=torch.float64).reshape(-1, 1, 1)
        self.std = torch.tensor(std, dtype=torch.float64).reshape(-1, 1, 1)

    def __call__(self, _: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        inputs: Tensor = arguments[0]
        return ((inputs - self.mean.to(inputs)) / self.std.to(inputs), *arguments[1:])


def normalize_inputs(network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Puts the normalization in front of a network."""
    network.register_forward_pre_hook(Normalization(mean, std))


def has_hooks(network: nn.Module) -> bool:
    """Whether anything is computed on the way into or out of a module that its class does not say."""
    return any(module._forward_pre_hooks or module._forward_hooks for module in network.modules())


class _WithoutHistory(TorchFunctionMode):
    """Within it, a deep copy of a tensor that was computed is a tensor of the same values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[1].setdefault(id(args[0]), args[0].detach().clone())
        return func(*args, **(kwargs or {}))


def copied(network: nn.Module) -> nn.Module:
    """A deep copy, also of a network that keeps what its last forward computed, as `weight_norm` does."""
    with _WithoutHistory():
        return copy.deepcopy(network)


def twice_differentiable() -> _GeneratorContextManager[None]:
    """Within it attention is computed by plain sums and products: the fused kernels have no second derivative."""
    within: _GeneratorContextManager[None] = sdpa_kernel(SDPBackend.MATH)
    return within


def scores_in(output: Any) -> Any:
    """The "logits" of an output that has them by that name (Hugging Face's), else the output itself."""
    return output.get("logits", output) if isinstance(output, Mapping) else output


class Grid(nn.Module):
    """Feature maps on the grid of an image whose pixels are taken in blocks: padded, or cropped, on all sides."""

    def __init__(self, maps: Sequence[int], image: Sequence[int]) -> None:
        super().__init__()
        ratio = max(image[1] / maps[1], image[2] / maps[2])
        self.block = max(1, round(ratio))
        """Sides of a block: how much coarser the maps are."""
        self.sides = math.ceil(image[1] / self.block), math.ceil(image[2] / self.block)
        rows, columns = self.sides[0] - maps[1], self.sides[1] - maps[2]
        self.margins = columns // 2, columns - columns // 2, rows // 2, rows - rows // 2

    def forward(self, embeddings: Float[Tensor, "batch maps rows columns"]) -> Float[Tensor, "batch maps height width"]:
        return F.pad(embeddings, self.margins)

    def blocks(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch pixels rows columns"]:
        """The pixels of each block side by side; what is beyond an image is 0."""
        height, width = (self.block * side for side in self.sides)
        whole = F.pad(images, (0, width - images.shape[3], 0, height - images.shape[2]))
        blocks: Tensor = F.pixel_unshuffle(whole, self.block)
        return blocks


class Upward(nn.Module):
    """From feature maps to an image by transposed convolutions, strided where the maps are coarser than it."""

    def __init__(self, maps: Sequence[int], image: Sequence[int], width: int) -> None:
        super().__init__()
        self.grid, self.size = Grid(maps, image), tuple(image[1:])
        block, margin = self.grid.block, self.grid.block // 2
        self.deep = nn.Sequential(
            nn.ConvTranspose2d(maps[0], width, KERNEL, padding=KERNEL // 2),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, block + 2 * margin, stride=block, padding=margin),
            nn.ReLU(),
            nn.ConvTranspose2d(width, image[0], KERNEL, padding=KERNEL // 2),
        )
        self.straight = nn.Conv2d(maps[0], image[0] * block**2, KERNEL, padding=KERNEL // 2)

    def forward(self, embeddings: Float[Tensor, "batch maps rows columns"]) -> Float[Tensor, "batch *image"]:
        placed = self.grid(embeddings)
        straight = F.pixel_shuffle(self.straight(placed), self.grid.block)
        image: Tensor = (self.deep(placed) + straight)[..., : self.size[0], : self.size[1]]
        return image

    def features(
        self,
        embeddings: Float[Tensor, "batch maps rows columns"],
        images: Float[Tensor, "batch channels height width"],
    ) -> tuple[Tensor, Tensor]:
        """What the straight path sees of each block, and what it should say: as rows."""
        seen = F.unfold(self.grid(embeddings), KERNEL, padding=KERNEL // 2)
        return seen.mT.flatten(0, 1), self.grid.blocks(images).flatten(2).mT.flatten(0, 1)
