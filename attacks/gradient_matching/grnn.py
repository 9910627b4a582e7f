"""GRNN, Generative Regression Neural Network: gradient matching by the weights of an untrained generator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.func import functional_call

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.space import require_images
from fedleak.settings.base import Amount, Count, Rate

from ..parts.engine.base import MatchingAttack, l2
from ..parts.engine.distances import Distance, DistanceTo
from ..parts.engine.gradient_match import Decode, Dummy, GradientMatch
from ..parts.engine.loop import Matching
from ..parts.engine.objective import Variables
from ..parts.learning.untrained_generator import INPUT, UntrainedGenerator, untrained_generator
from ..parts.optimizers.first_order import rmsprop


@attacks.register("grnn")
@dataclass(frozen=True, kw_only=True)
class GRNN(MatchingAttack):
    """Moves the weights of an untrained generator until the gradient of the images and labels it makes is the observed.

    Its convolutions are the prior: they come to smooth images long before they come to noise. Needs neither public
    data nor labels. The distance is L2 plus its root (the paper's Wasserstein distance of two vectors is that), both
    relative to the observed gradient, up to length where that says nothing; and a squared total variation.
    """

    paper: ClassVar = "https://arxiv.org/abs/2105.00529"
    cites: ClassVar = "ren2022grnn"
    steps: Count = 1000
    """Iterations of one attempt."""
    learning_rate: Rate = 1e-4
    """Of RMSprop."""
    momentum: Amount = 0.99
    """Of RMSprop: how much of a step is repeated in the next."""
    total_variation: Amount = 1e-3
    """Weight of the mean squared difference of neighboring pixels."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        task, dtype = observation.task, self.dtype(torch.float32)
        shape = require_images(task.space, "GRNN, whose generator is convolutional,").shape
        network = untrained_generator(task, shape, rng).to(self.device, dtype)
        numbers = torch.randn(observation.examples(), INPUT, generator=rng).to(self.device, dtype)
        objective = GradientMatch.of(
            observation,
            and_root(l2(observation)),
            made_by(network, numbers),
            terms=((self.total_variation, squared_variation),),
            dtype=dtype,
            device=self.device,
        )
        more = [untrained_generator(task, shape, rng) for _ in range(self.restarts - 1)]
        starts = [_weights(made.to(self.device, dtype)) for made in (network, *more)]
        engine = Matching(
            optimizer=rmsprop(self.learning_rate, self.momentum), steps=self.steps, compiled=self.compiled
        )
        return engine.run(objective, starts, rng)


def made_by(network: UntrainedGenerator, numbers: Tensor) -> Decode:
    """The variables are the generator's weights."""

    def decode(variables: Variables) -> Dummy:
        images, labels = functional_call(network, variables, (numbers,))
        return Dummy(images, labels, variables)

    return decode


def and_root(distance: DistanceTo) -> DistanceTo:
    """A squared distance plus its root, which is steep where the square has become flat."""

    def to(observed: Sequence[Tensor]) -> Distance:
        near = distance(observed)

        def total(gradients: Sequence[Tensor]) -> Tensor:
            square = near(gradients)
            return square + square.clamp_min(1e-20).sqrt()

        return total

    return to


def squared_variation(dummy: Dummy) -> Tensor:
    """Mean squared difference of neighboring pixels, along rows plus along columns, twice."""
    images = dummy.inputs
    rows = (images[..., 1:, :] - images[..., :-1, :]).square().mean()
    columns = (images[..., 1:] - images[..., :-1]).square().mean()
    return 2 * (rows + columns)


def _weights(network: UntrainedGenerator) -> Variables:
    return {name: value.detach() for name, value in network.named_parameters()}
