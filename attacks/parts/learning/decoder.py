"""Decoder: a network that leads embeddings back to columns, nonlinear beside a path that begins at a regression."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Generator, Tensor, nn

from fedleak.learning.layers import Upward
from fedleak.progress import report
from fedleak.randomness import seeded

from ..optimizers.first_order import adam
from .fit import fit

GROUP = 32
"""Examples of one step of training."""
LOOKS, PATIENCE = 40, 10
"""How often it is tried on examples that it does not learn from, and how often in a row without a gain at most."""
RIDGES = (1e-6, 1e-4, 1e-2, 1.0)
"""Penalties of the regression that are tried, in units of a feature's mean square."""
MOST = 8192
"""Numbers beyond which there is no regression on them: the linear path begins where torch has it."""


@dataclass(frozen=True)
class Pairs:
    """Embeddings, and the columns that they were made of."""

    embeddings: Float[Tensor, "rows *embedding"]
    columns: Float[Tensor, "rows *own"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How wide a decoder is, and how Adam moves it, its rate falling along a half cosine."""

    width: int
    """Channels between feature maps and an image."""
    hidden: int
    """Neurons of each of the two layers between vectors."""
    steps: int
    learning_rate: float


class Perceptron(nn.Module):
    """From vectors to columns of any shape by two hidden layers, with a linear path beside them."""

    def __init__(self, numbers: int, shape: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.shape, values = tuple(shape), math.prod(shape)
        self.deep = nn.Sequential(
            nn.Linear(numbers, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, values)
        )
        self.straight = nn.Linear(numbers, values)

    def forward(self, embeddings: Float[Tensor, "batch *embedding"]) -> Float[Tensor, "batch *own"]:
        flat = embeddings.flatten(1)
        own: Tensor = (self.deep(flat) + self.straight(flat)).reshape(-1, *self.shape)
        return own

    def features(self, embeddings: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """What the straight path sees, and what it should say: as rows."""
        return embeddings.flatten(1), columns.flatten(1)


class Standardized(nn.Module):
    """A network behind a normalization of what it is given, by the moments of examples of it."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: Upward | Perceptron, examples: Float[Tensor, "rows *embedding"]) -> None:
        super().__init__()
        axes = (0, 2, 3) if isinstance(network, Upward) else (0,)
        std, mean = torch.std_mean(examples, dim=axes, keepdim=True, correction=0)
        self.register_buffer("mean", mean)
        self.register_buffer("std", torch.where(std > 1e-8, std, 1.0))
        self.network = network

    def forward(self, embeddings: Float[Tensor, "batch *embedding"]) -> Float[Tensor, "batch *own"]:
        own: Tensor = self.network(self.normalized(embeddings))
        return own

    def normalized(self, embeddings: Float[Tensor, "batch *embedding"]) -> Float[Tensor, "batch *embedding"]:
        """As the network takes them."""
        normal: Tensor = (embeddings - self.mean) / self.std
        return normal


@dataclass(frozen=True)
class Regression:
    """Moments of features and values, by which lines for any penalty are found."""

    features: Float64[Tensor, " features"]
    values: Float64[Tensor, " values"]
    square: Float64[Tensor, "features features"]
    cross: Float64[Tensor, "features values"]

    @classmethod
    def on(cls, batches: Iterable[tuple[Float[Tensor, "_ features"], Float[Tensor, "_ values"]]]) -> "Regression":
        """Of rows that come in batches, one or more."""
        sums: list[Tensor] = []
        count = 0
        for seen, said in batches:
            x, y = seen.double(), said.double()
            found = [x.sum(0), y.sum(0), x.T @ x, x.T @ y]
            sums = found if not sums else [one + other for one, other in zip(sums, found, strict=True)]
            count += len(x)
        center, middle = sums[0] / count, sums[1] / count
        square = sums[2] / count - torch.outer(center, center)
        return cls(center, middle, square, sums[3] / count - torch.outer(center, middle))

    def line(self, ridge: float) -> tuple[Float[Tensor, "values features"], Float[Tensor, " values"]]:
        """Weight and bias under a penalty in units of a feature's mean variance."""
        unit = float(self.square.diagonal().mean().clamp_min(1e-12))
        penalty = ridge * unit * torch.eye(len(self.square), dtype=torch.float64)
        weight = torch.linalg.solve(self.square + penalty, self.cross).T
        return weight.float(), (self.values - weight @ self.features).float()


def learn_decoder(
    known: Sequence[Pairs], held_out: Pairs, training: Training, rng: Generator
) -> tuple[nn.Module, float]:
    """Trains on one of several drawings of the same pairs in each step; returns it as it did best on those held out.

    Its mean squared error on these comes with it. The nonlinear path says nothing at first, and the other begins at the
    ridge regression that does best on what is held out.
    """
    maps, shape = known[0].embeddings.shape[1:], known[0].columns.shape[1:]
    with seeded("decoder", int(torch.randint(2**62, (), generator=rng))):
        images = len(maps) == len(shape) == 3
        kind = Upward(maps, shape, training.width) if images else Perceptron(math.prod(maps), shape, training.hidden)
        network = Standardized(kind, known[0].embeddings)
    _begin(network, known, held_out)
    count = len(known[0].columns)

    def loss() -> Float[Tensor, ""]:
        drawn = known[int(torch.randint(len(known), (), generator=rng))]
        chosen = torch.randint(count, (min(GROUP, count),), generator=rng)
        return F.mse_loss(network(drawn.embeddings[chosen]), drawn.columns[chosen])

    best, kept, since = _error(network, held_out), _state(network), 0
    every = max(1, training.steps // LOOKS)
    for step in fit(network, loss, adam(training.learning_rate), training.steps):
        report(step, training.steps)
        if step % every and step != training.steps:
            continue
        error = _error(network, held_out)
        since = 0 if error < best else since + 1
        if error < best:
            best, kept = error, _state(network)
        if since == PATIENCE:
            break
    network.load_state_dict(kept)
    return network, best


@torch.no_grad()
def _begin(decoder: Standardized, known: Sequence[Pairs], held_out: Pairs) -> None:
    """Puts the straight path at a ridge regression, with the nonlinear one silent."""
    network = decoder.network
    last = network.deep[-1]
    assert isinstance(last, nn.ConvTranspose2d | nn.Linear)
    for one in last.parameters():
        one.zero_()
    if network.straight.weight[0].numel() > MOST:
        return
    parts = (one for drawn in known for one in _parts(drawn))
    found = Regression.on(network.features(decoder.normalized(one.embeddings), one.columns) for one in parts)
    tried = []
    for ridge in RIDGES:
        weight, bias = found.line(ridge)
        network.straight.weight.copy_(weight.reshape(network.straight.weight.shape))
        assert network.straight.bias is not None
        network.straight.bias.copy_(bias)
        tried.append((_error(decoder, held_out), _state(decoder)))
    decoder.load_state_dict(min(tried, key=lambda one: one[0])[1])


def _parts(pairs: Pairs) -> Iterator[Pairs]:
    """A few pairs at a time: what a regression sees of each is many times what it is."""
    for chosen in torch.split(torch.arange(len(pairs.columns)), GROUP):
        yield Pairs(pairs.embeddings[chosen], pairs.columns[chosen])


def _error(network: nn.Module, pairs: Pairs) -> float:
    with torch.no_grad():
        return float(F.mse_loss(network(pairs.embeddings), pairs.columns))


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
