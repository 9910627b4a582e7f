"""Inversion network: turns features of an update into the images behind it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor, nn

from fedleak.progress import report
from fedleak.randomness import seeded

from ..optimizers.first_order import adam
from .fit import fit

GROUP = 64
"""Updates of one step of training."""


@dataclass(frozen=True)
class Pairs:
    """Features of updates, and the images behind each as rows of pixels."""

    features: Float[Tensor, "updates features"]
    images: Float[Tensor, "updates batch pixels"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """A perceptron with two hidden layers and sigmoid outputs, and Adam on it, its rate falling along a half cosine."""

    hidden: int
    epochs: int
    learning_rate: float


@dataclass(frozen=True)
class Inverter:
    """A trained network, and its error on images it has not learned from."""

    network: nn.Module
    error: float
    """The best of all epochs: mean squared error in units of a pixel's range, after pairing."""

    def __call__(
        self, features: Float[Tensor, "updates features"], batch: int
    ) -> Float[Tensor, "updates batch pixels"]:
        """The images behind updates."""
        with torch.no_grad():
            images: Tensor = self.network(features)
        return images.view(len(features), batch, -1)


def learn(known: Pairs, held_out: Pairs, training: Training, rng: Generator, rounds: tuple[int, int]) -> Inverter:
    """Trains on known pairs; of all epochs the one counts that does best on the held-out pairs.

    `rounds` is which of how many trainings this is, for those who watch.
    """
    batch, pixels = known.images.shape[1:]
    with seeded("inverter", int(torch.randint(2**62, (), generator=rng))):
        network = _perceptron(known.features.shape[1], training.hidden, batch * pixels)
    groups = [group for _ in range(training.epochs) for group in _groups(len(known.features), rng)]
    order, steps = iter(groups), len(groups) // training.epochs

    def error() -> Tensor:
        chosen = next(order)
        return unordered_error(network(known.features[chosen]).view(-1, batch, pixels), known.images[chosen])

    best, kept = math.inf, _state(network)
    for step in fit(network, error, adam(training.learning_rate), len(groups)):
        if step % steps:
            continue
        test_error = float(unordered_error(Inverter(network, best)(held_out.features, batch), held_out.images))
        if test_error < best:
            best, kept = test_error, _state(network)
        report(rounds[0] * training.epochs + step // steps, rounds[1] * training.epochs)
    network.load_state_dict(kept)
    return Inverter(network, best)


def unordered_error(
    guesses: Float[Tensor, "updates batch pixels"], images: Float[Tensor, "updates batch pixels"]
) -> Float[Tensor, ""]:
    """The mean squared error of the best pairing of guesses with images, batch by batch."""
    if images.shape[1] == 1:
        return (guesses - images).square().mean()
    errors = (images[:, :, None] - guesses[:, None]).square().mean(3)
    return errors.gather(2, _pairing(errors)[:, :, None]).mean()


def _pairing(errors: Float[Tensor, "updates batch batch"]) -> Int[Tensor, "updates batch"]:
    """For each image the guess it is paired with."""
    return torch.from_numpy(np.stack([linear_sum_assignment(costs)[1] for costs in errors.detach().numpy()]))


def _groups(pairs: int, rng: Generator) -> Iterable[Int[Tensor, " group"]]:
    """Every pair once, in groups at random."""
    return torch.split(torch.randperm(pairs, generator=rng), GROUP)


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Module:
    layers = (nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
    return nn.Sequential(*layers, nn.Sigmoid())


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
