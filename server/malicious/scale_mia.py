"""Scale-MIA: convolutions are trained to encode images, and behind them a planted layer sorts what they say by bins."""

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.func import functional_call

from fedleak.contracts.manipulation import Crafting, Manipulation, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.gradients.imprint import ImprintLayer, latent_linear, with_parameters
from fedleak.learning.facts import LocalTraining
from fedleak.learning.layers import Upward
from fedleak.learning.optimizer import Optimizer
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import one_thread, seeded
from fedleak.settings.base import Count, Rate
from fedleak.statistics.singletons import expected_alone

from .parts.imprint_rows import planting

FEWEST_PUBLIC = 8
"""Public examples that an encoder can be trained on."""
GROUP = 32
"""Images of one step of training."""
WIDTH = 16
"""Channels between feature maps and an image."""
FRONT = "front."
"""Goes before the names of what is trained in the network."""


@manipulations.register("scale-mia")
@dataclass(frozen=True, kw_only=True)
class ScaleMIA(Manipulation):
    """Imprint in latent space (Scale-MIA): the layers in front of the first linear one are trained as an encoder of
    public images, and the rows of that layer made those of an imprint, so that a sum gives back the latent vector of
    each image that is alone in a bin.

    Nothing is added to the network. Of two neighboring rows that differ by one image, `(dW_k - dW_{k+1}) / (db_k -
    db_{k+1})` is what the encoder says of it, and whoever was sent the encoder can train a decoder on public images.

    Differences from the paper: rows look along a random direction, not that of the mean, and their thresholds stand at
    smoothed quantiles in place of those of a normal distribution, as `imprint` has them; the decoder that the encoder
    is trained along with is thrown away, for readers train one of their own.
    """

    paper: ClassVar = "https://arxiv.org/abs/2311.05808"
    cites: ClassVar = "shi2025scale"
    deed: ClassVar[str] = (
        "makes convolutions an encoder and sorts what they say by bins, so that a sum gives back each that is alone"
    )
    takes: ClassVar[str] = (
        "public examples like the clients', and a network with convolutions, a linear layer, a ReLU and another linear "
        "layer"
    )
    uses_public: ClassVar = True
    bins: Annotated[int, Field(ge=2, le=2**16)] = 120
    """Rows that are planted; others never wake."""
    steps: Count = 600
    """Steps of Adam that the encoder is trained for."""
    learning_rate: Rate = 2e-3
    """Of the first of these; it falls along a half cosine."""
    shift: Rate = 0.1
    """What all rows together add to a score, about, at most."""
    gain: Rate = 1e-6
    """How steep rows are, as in `imprint`."""

    def require(self, terms: ServerTerms) -> None:
        if terms.public < FEWEST_PUBLIC:
            raise ConfigError(
                f"'scale-mia' trains an encoder on public examples, and the adversary has {terms.public}; set "
                f"adversary.auxiliary to {FEWEST_PUBLIC} or more, such as 1000"
            )
        rows = _rows(terms.task)
        if rows < self.bins:
            raise ConfigError(
                f"'scale-mia' has a row for each bin, and the first linear layer of '{terms.task.name}' has {rows} for "
                f"bins = {self.bins}; lower bins, or take a wider network"
            )

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        assert at.public is not None
        layer = latent_linear(at.task)
        assert not isinstance(layer, str)
        images = at.public.inputs
        with one_thread():  # the same floats in every engine
            encoding = trained_encoder(at.task, at.weights, layer, images, self.steps, self.learning_rate, rng)
        with torch.no_grad(), one_thread():
            seen = feature_maps(at.task, encoding, layer, images).flatten(1).double()
        passes = at.federation.training().passes
        made = planting(layer, seen, self.bins, rng, gain=self.gain, shift=self.shift, passes=passes)
        return with_parameters(encoding, made.by_weights(encoding, rng))

    def expected_alone(self, examples: int, cohort: int | None = None, kept: float = 1.0) -> float:
        """Where bins are equally likely."""
        return expected_alone(examples, self.bins, read=kept, merging=True)


def _rows(task: Task) -> int:
    """How many the layer has; raises `ConfigError` where a network has no such layer."""
    layer, weights = latent_linear(task), Weights.of(task.network)
    if isinstance(layer, str):
        raise ConfigError(
            f"'scale-mia' needs a network with convolutions and then Linear, ReLU, Linear, and {layer}; take one that "
            "has them, such as lenet5"
        )
    feature_maps(task, weights, layer, torch.zeros(2, *task.shape))
    return len(layer.rows(weights))


class _Reached(Exception):  # noqa: N818  no error: the rest of the network has no say
    """The layer was reached."""


def feature_maps(
    task: Task, weights: Weights, layer: ImprintLayer, images: Float[Tensor, "batch *shape"]
) -> Float[Tensor, "batch maps rows columns"]:
    """What enters a linear layer, as feature maps, before they were flattened."""
    seen: list[Tensor] = []

    def note(_: nn.Module, __: object, output: Tensor) -> None:
        seen.append(output)

    def stop(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append(arguments[0])
        raise _Reached

    modules = [one for one in task.network.modules() if not list(one.children())]
    handles = [one.register_forward_hook(note) for one in modules]
    handles.append(task.network.get_submodule(layer.weight.rpartition(".")[0]).register_forward_pre_hook(stop))
    try:
        with suppress(_Reached):
            task.outputs(weights, images)
    finally:
        for handle in handles:
            handle.remove()
    vectors = seen.pop() if seen else images
    maps = [one for one in seen if one.dim() == 4 and one[0].numel() == vectors[0].numel()]
    if vectors.dim() != 2 or not maps:
        raise ConfigError(
            f"expected feature maps that are flattened before the first linear layer of '{task.name}', got "
            f"{tuple(vectors.shape[1:])} an image; choose another network, such as lenet5"
        )
    return maps[-1]


def trained_encoder(
    task: Task,
    weights: Weights,
    layer: ImprintLayer,
    public: Float[Tensor, "public *shape"],
    steps: int,
    learning_rate: float,
    rng: Generator,
) -> Weights:
    """The weights with the layers in front trained on public images, by Adam, along with a decoder that is thrown away.

    The loss is the mean squared error of pixels. Other layers stay as they are.
    """
    names = _in_front(task, weights, layer, public[:2])
    with seeded("encoder", int(torch.randint(2**62, (), generator=rng))):
        decoder = Upward(feature_maps(task, weights, layer, public[:2]).shape[1:], task.shape, WIDTH)
    values = {name: value.detach() for name, value in decoder.named_parameters()}
    own = [*values]
    values |= {FRONT + name: weights.parameters[name] for name in names}
    optimizer = Optimizer(LocalTraining(optimizer="adam", learning_rate=learning_rate))
    for step in range(steps):
        images = public[torch.randint(len(public), (min(GROUP, len(public)),), generator=rng)]
        values = {name: value.detach().requires_grad_() for name, value in values.items()}
        now = with_parameters(weights, {name: values[FRONT + name] for name in names})
        decoded = functional_call(decoder, {name: values[name] for name in own}, feature_maps(task, now, layer, images))
        slopes = torch.autograd.grad(F.mse_loss(decoded, images), list(values.values()))
        rate = 0.5 * learning_rate * (1.0 + math.cos(math.pi * step / steps))
        change = optimizer.change(dict(zip(values, slopes, strict=True)), values, None, rate)
        values = {name: value - change[name] for name, value in values.items()}
    return with_parameters(weights, {name: values[FRONT + name].detach() for name in names})


def _in_front(
    task: Task, weights: Weights, layer: ImprintLayer, images: Float[Tensor, "batch *shape"]
) -> tuple[str, ...]:
    """The parameters that feature maps depend on."""
    known = {name: value.detach().requires_grad_() for name, value in weights.parameters.items()}
    maps = feature_maps(task, Weights(known, weights.buffers), layer, images)
    slopes = torch.autograd.grad(maps.sum(), list(known.values()), allow_unused=True) if maps.requires_grad else ()
    return tuple(name for name, slope in zip(known, slopes, strict=False) if slope is not None)
