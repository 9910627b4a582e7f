"""Patch embedding of a vision transformer: the tokens `z = embedded patches + positions`, found in its modules."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.gradients.precision import in_dtype
from fedleak.learning.space import Images, require_images
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import seeded

from .applicability import mode_of
from .linear_layers.pixelwise import Pixelwise

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

    def image(
        self, patches: Float[Tensor, "tokens pixels"], task: Task, front: Pixelwise
    ) -> Float[Tensor, "1 channels height width"]:
        """The image whose patches, laid where they were cut out, the embedding sees through what stands before it."""
        images = require_images(task.space, "APRIL")
        size = (self.embedding.kernel_size[0], self.embedding.kernel_size[1])
        seen = F.fold(patches.T[None], (images.height, images.width), size, stride=size)
        return front.images(seen.flatten(1)).reshape(1, *images.shape)


def find_tokens(task: Task) -> PatchTokens:
    """The task's tokens, which must be of this form."""
    images = require_images(task.space, "APRIL")
    convolutions = [(name, layer) for name, layer in task.network.named_modules() if isinstance(layer, nn.Conv2d)]
    problem = f"'{task.name}' is not a transformer of the form that APRIL is for: it has no "
    if not convolutions or not _cuts(convolutions[0][1], images):
        raise NotApplicable(f"{problem}convolution that cuts the image into patches; try 'inverting-gradients'")
    name, embedding = convolutions[0]
    with torch.no_grad():
        example = next(embedding.parameters())
        tokens = embedding(torch.zeros(1, *images.shape, dtype=example.dtype)).flatten(2).shape[2]
    shapes = {name: tuple(value.shape) for name, value in task.network.named_parameters() if value.requires_grad}
    if f"{name}.weight" not in shapes:
        raise NotApplicable(f"the patch embedding of '{task.name}' is frozen, so nothing is sent of it")
    positions = [name for name, shape in shapes.items() if shape == (1, tokens, embedding.out_channels)]
    if len(positions) != 1:
        raise NotApplicable(
            f"{problem}one position embedding of shape (1, {tokens}, {embedding.out_channels}); try gradient matching"
        )
    if tokens > embedding.out_channels:
        raise NotApplicable(
            f"{tokens} tokens of '{task.name}' are more than the {embedding.out_channels} features of each tell apart"
        )
    projections = _projections(task, embedding.out_channels)
    return PatchTokens(name=name, embedding=embedding, position=positions[0], projections=projections)


def _cuts(layer: nn.Conv2d, images: Images) -> bool:
    """Whether the convolution sees every pixel of the image once."""
    channels, height, width = images.shape
    whole = height % layer.kernel_size[0] == 0 and width % layer.kernel_size[1] == 0
    plain = layer.padding == (0, 0) and layer.dilation == (1, 1) and layer.groups == 1
    return whole and plain and layer.kernel_size == layer.stride and layer.in_channels == channels


def _projections(task: Task, width: int) -> tuple[str, ...]:
    """The weights of the first attention's three linear layers."""
    for name, module in task.network.named_modules():
        layers = dict(module.named_children())
        projections = [layers[part] for part in ATTENTION if part in layers]
        if len(projections) == 3 and all(isinstance(p, nn.Linear) and p.in_features == width for p in projections):
            return tuple(f"{name}.{part}.weight" if name else f"{part}.weight" for part in ATTENTION)
    return ()


def sharpened(
    observation: Observation,
    tokens: PatchTokens,
    front: Pixelwise,
    images: Float[Tensor, "1 channels height width"],
    labels: Int[Tensor, "1 *classes"],
    iterations: int,
) -> Float[Tensor, "1 channels height width"]:
    """The image of all iterations whose gradient is nearest to the observed one, but for its length.

    The embedding's equations `(dL/dz)ᵀ x = dL/dV` suffer from rounding in the observed dL/dz most. At a good guess
    the derivative can be computed without any, and with it the equations are solved again.
    """
    observed = {name: value.double() for name, value in observation.gradient().items()}
    right = observed[tokens.weight].flatten(1)
    weights = in_dtype(observation.before, torch.float64)
    guess, best, least = images.double(), images.double(), float("inf")
    for _ in range(iterations + 1):
        with seeded("sharpened"):  # for dropout: the same guess for the same observation
            ours = observation.task.gradients(weights, guess, labels, mode=mode_of(observation))
        scale = _product(ours, observed) / max(_product(ours, ours), 1e-300)
        rest = {name: value - scale * ours[name] for name, value in observed.items()}
        distance = _product(rest, rest)
        if scale <= 0 or not torch.isfinite(guess).all():
            break
        if distance < least:
            best, least = guess, distance
        by_token = scale * ours[tokens.position].flatten(0, 1)
        patches = torch.linalg.pinv(by_token.T) @ right
        guess = observation.task.space.clamped(tokens.image(patches, observation.task, front))
    return best.to(images.dtype)


def _product(first: NamedTensors, second: NamedTensors) -> float:
    return float(sum((value * second[name]).sum() for name, value in first.items()))
