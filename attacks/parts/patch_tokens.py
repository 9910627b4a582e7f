"""A transformer's tokens `z = patches of the image, embedded + positions`, found in a network by what it is made of."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors

ATTENTION = ("query", "key", "value")


@dataclass(frozen=True, kw_only=True)
class PatchTokens:
    """Where a task's parameters make tokens, and which first attend to them."""

    name: str
    embedding: nn.Conv2d
    """Its kernel is as large as its stride: every pixel is in one patch."""
    position: str
    """Name of the parameter (1, tokens, width) that is added to the embedded patches."""
    projections: tuple[str, ...]
    """Names of the weights (outputs, width) that make queries, keys and values; none where there are no such."""

    @property
    def weight(self) -> str:
        return f"{self.name}.weight"

    def offset(self, weights: NamedTensors) -> Float[Tensor, "tokens width"]:
        """What the tokens of a black image are."""
        position = weights[self.position].double().flatten(0, 1)
        return position if self.embedding.bias is None else position + weights[f"{self.name}.bias"].double()

    def image(self, patches: Float[Tensor, "tokens pixels"], task: Task) -> Float[Tensor, "1 channels height width"]:
        """Patches laid where they were cut out."""
        size = (self.embedding.kernel_size[0], self.embedding.kernel_size[1])
        return F.fold(patches.T[None], task.shape[1:], size, stride=size)


def find_tokens(task: Task) -> PatchTokens | str:
    """The task's tokens; or why it has none of this form, in words."""
    convolutions = [(name, one) for name, one in task.network.named_modules() if isinstance(one, nn.Conv2d)]
    problem = f"'{task.name}' is not a transformer of the form that APRIL is for: it has no "
    if not convolutions or not _cuts(convolutions[0][1], task):
        return f"{problem}convolution that cuts the image into patches; try 'inverting-gradients'"
    name, embedding = convolutions[0]
    with torch.no_grad():
        example = next(embedding.parameters())
        tokens = embedding(torch.zeros(1, *task.shape, dtype=example.dtype)).flatten(2).shape[2]
    shapes = {name: tuple(value.shape) for name, value in task.network.named_parameters()}
    positions = [name for name, shape in shapes.items() if shape == (1, tokens, embedding.out_channels)]
    if len(positions) != 1:
        return (
            f"{problem}one position embedding of shape (1, {tokens}, {embedding.out_channels}); try gradient matching"
        )
    if tokens > embedding.out_channels:
        return (
            f"{tokens} tokens of '{task.name}' are more than the {embedding.out_channels} features of each tell apart"
        )
    projections = _projections(task, embedding.out_channels)
    return PatchTokens(name=name, embedding=embedding, position=positions[0], projections=projections)


def _cuts(layer: nn.Conv2d, task: Task) -> bool:
    """Whether the convolution sees every pixel of the image once."""
    channels, height, width = task.shape
    whole = height % layer.kernel_size[0] == 0 and width % layer.kernel_size[1] == 0
    plain = layer.padding == (0, 0) and layer.dilation == (1, 1) and layer.groups == 1
    return whole and plain and layer.kernel_size == layer.stride and layer.in_channels == channels


def _projections(task: Task, width: int) -> tuple[str, ...]:
    """The weights of the first attention's three linear layers."""
    for name, module in task.network.named_modules():
        layers = dict(module.named_children())
        found = [layers[part] for part in ATTENTION if part in layers]
        if len(found) == 3 and all(isinstance(one, nn.Linear) and one.in_features == width for one in found):
            return tuple(f"{name}.{part}.weight" if name else f"{part}.weight" for part in ATTENTION)
    return ()
