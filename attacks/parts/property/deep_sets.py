"""Deep sets over neurons: a network that reads the weights of networks, whatever order their neurons are in."""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from jaxtyping import Float, Float64, Int
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from fedleak.progress import report
from fedleak.randomness import seeded

from ..learning.fit import fit
from ..optimizers.first_order import adam
from .perceptron import Layer

WIDTH = 16
"""Neurons of each network that reads one neuron, and of the one that reads all of them."""
FEATURES = 8
"""What is said of a neuron."""
GROUP = 40
"""Models of one step of training."""
RATE = 0.01
DECAY = 1e-3
"""How much the squares of all weights count."""


class Neurons(nn.Module):
    """Says of each layer's neurons what they are, takes the mean over them, and reads a share off all means.

    A neuron of the first layer is its weights and bias. One of a later layer is its bias and the mean of what was said
    of the neurons before it, times its weights to them. So no order of hidden neurons makes a difference. The neurons
    of the last layer stand for classes and are read each in its place.
    """

    def __init__(self, widths: Sequence[int], inputs: int, shares: int) -> None:
        super().__init__()
        sizes = [inputs, *[FEATURES] * (len(widths) - 1)]
        self.readers = nn.ModuleList(
            nn.Sequential(nn.Linear(size + 1, WIDTH), nn.ReLU(), nn.Linear(WIDTH, FEATURES), nn.ReLU())
            for size in sizes[: len(widths) - 1]
        )
        last = widths[-1] * (sizes[-1] + 1)
        self.shares = nn.Sequential(
            nn.Linear(FEATURES * (len(widths) - 1) + last, WIDTH), nn.ReLU(), nn.Linear(WIDTH, shares)
        )

    def forward(self, layers: Sequence[Layer]) -> Float[Tensor, "models shares"]:
        said: Tensor | None = None
        means = []
        for place, layer in enumerate(layers):
            coming = layer.weight if said is None else layer.weight @ said / said.shape[1]
            neurons = torch.cat([coming, layer.bias[:, :, None]], 2)
            if place == len(self.readers):
                means.append(neurons.flatten(1))
                break
            said = self.readers[place](neurons)
            means.append(said.mean(1))
        scores: Tensor = self.shares(torch.cat(means, 1))
        return scores


def told_by_neurons(
    known: Sequence[Layer], answers: Int[Tensor, " models"], seen: Sequence[Layer], epochs: int, rng: Generator
) -> Float64[Tensor, " shares"]:
    """How probable each answer is of one model, by such a network that was trained on models whose answer is known."""
    known, seen = _standardized(known, seen)
    with seeded("deep sets", int(torch.randint(2**62, (), generator=rng))):
        widths = [layer.bias.shape[1] for layer in known]
        reader = Neurons(widths, known[0].weight.shape[2], int(answers.max()) + 1)
    groups = [
        group
        for _ in range(epochs)
        for group in torch.split(torch.randperm(len(answers), generator=rng), min(GROUP, len(answers)))
    ]
    for step in fit(reader, partial(_loss, reader, known, answers, iter(groups)), adam(RATE), len(groups)):
        report(step, len(groups))
    with torch.no_grad():
        scores: Tensor = reader(seen)[0]
    return scores.double().softmax(0)


def _loss(reader: Neurons, known: Sequence[Layer], answers: Tensor, groups: Iterator[Tensor]) -> Float[Tensor, ""]:
    chosen = next(groups)
    some = [Layer(layer.weight[chosen], layer.bias[chosen]) for layer in known]
    squares = torch.stack([value.square().sum() for value in reader.parameters()]).sum()
    return F.cross_entropy(reader(some), answers[chosen]) + DECAY * squares


def _standardized(known: Sequence[Layer], seen: Sequence[Layer]) -> tuple[list[Layer], list[Layer]]:
    """Both in units of the spread of the known: each weight of the first layer over all neurons, later ones together.

    The last layer's biases are each about their own mean; neurons of other layers have no place of their own.
    """
    pairs = []
    for place, (layer, own) in enumerate(zip(known, seen, strict=True)):
        each = (0, 1) if place == 0 else (0, 1, 2)
        weights = _scaled(layer.weight, own.weight, each, centered=place == 0)
        biases = _scaled(layer.bias, own.bias, (0,) if place == len(known) - 1 else (0, 1), centered=True)
        pairs.append([Layer(*both) for both in zip(weights, biases, strict=True)])
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _scaled(known: Tensor, seen: Tensor, over: tuple[int, ...], *, centered: bool) -> tuple[Tensor, Tensor]:
    mean = known.mean(over, keepdim=True) if centered else torch.zeros(())
    spread = (known - mean).square().mean(over, keepdim=True).sqrt().clamp_min(1e-6)
    return (known - mean) / spread, (seen - mean) / spread
