"""Feature inversion: images whose features are given, found by descent through the front of a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.space import InputSpace
from fedleak.learning.weights import NamedTensors

from ..optimizers.first_order import adam
from .distances import Distance, DistanceTo
from .gradient_match import Dummy, Simulate
from .loop import Matching
from .objective import Gradient, Guess, Objective, Variables
from .public_model import PublicModel


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureMatch(Objective):
    """`|front(x) - z|² / |z|²` of every image x and its features z, plus the total variation, in the range.

    Source: https://arxiv.org/abs/2209.05578
    """

    given: InputSpace
    """What the examples are."""
    front: Callable[[Tensor], Tensor]
    """From examples to what a layer sees of them."""
    features: Float[Tensor, "batch features"]
    smoothness: float
    """Weight of the total variation of an image."""

    @property
    def space(self) -> InputSpace:
        return self.given

    @property
    def vectorizes(self) -> bool:
        return False

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:  # noqa: ARG002
        images = variables["inputs"]
        return self.unexplained(images).sum() + self.smoothness * len(images) * self.space.variation(images)

    def guess(self, variables: Variables) -> Guess:
        return Guess(variables["inputs"])

    def project(self, variables: Variables) -> None:
        self.space.project_(variables["inputs"])

    def unexplained(self, images: Float[Tensor, "batch *shape"]) -> Float[Tensor, " batch"]:
        """The share of the energy of each image's features that the image leaves unexplained."""
        rest: Tensor = (self.front(images) - self.features).square().sum(1)
        return rest / self.features.square().sum(1).clamp_min(1e-30)


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """How examples are moved until they have the features: Adam, the rate going down along a cosine."""

    steps: int
    learning_rate: float
    smoothness: float
    """Weight of the total variation of an image."""

    def run(
        self,
        front: Callable[[Tensor], Tensor],
        features: Float[Tensor, "batch features"],
        space: InputSpace,
        rng: Generator,
        begin: Float[Tensor, "batch *shape"] | None = None,
    ) -> tuple[Reconstruction, Float[Tensor, " images"]]:
        """The images, and the share of each one's features that is left unexplained; of none where it failed.

        They begin at random, if nowhere else is given.
        """
        objective = FeatureMatch(given=space, front=front, features=features, smoothness=self.smoothness)
        start = {"inputs": space.start(len(features), rng) if begin is None else begin.clone()}
        guess = Matching(optimizer=adam(self.learning_rate), steps=self.steps).run(objective, [start], rng)
        if guess.inputs is None:
            return guess, features.new_zeros(0)
        with torch.no_grad():
            return guess, objective.unexplained(guess.inputs)


# Forward probes: values inside a forward pass, read in the one pass that also gives the gradient.
#
# A probe is a vector that multiplies what is shown, added to the loss: at zero it changes neither the loss nor the
# gradient of the parameters, and the gradient of the probe is what was shown. So an attack can match, say, features
# without a second forward pass, and in either way to differentiate.

Read = Callable[[Float[Tensor, ""]], Sequence[Tensor]]
"""From the loss of the pass that just ran to what it showed, one tensor for each probe."""


Penalty = Callable[[Sequence[Tensor]], Float[Tensor, ""]]
"""From what was shown to how far it is from what should have been."""


def zero_probes(shapes: Sequence[Sequence[int]], dtype: torch.dtype, device: str) -> list[Tensor]:
    """A probe for each tensor that is shown."""
    return [torch.zeros(tuple(shape), dtype=dtype, device=device, requires_grad=True) for shape in shapes]


def one_step_and(read: Read, probes: Sequence[Tensor]) -> Simulate:
    """The gradient of the whole batch at the weights that were sent, followed by what its forward pass showed."""
    named = {f"probe {number}": probe for number, probe in enumerate(probes)}

    def simulate(model: PublicModel, dummy: Dummy, gradient: Gradient) -> Sequence[Tensor]:
        def loss(values: NamedTensors) -> Tensor:
            parameters = {name: values[name] for name in model.weights.parameters}
            task_loss = model.loss(parameters, dummy.inputs, dummy.labels)
            shown = read(task_loss)
            return task_loss + torch.stack([(values[n] * v).sum() for n, v in zip(named, shown, strict=True)]).sum()

        found = gradient(loss, {**model.weights.parameters, **named})
        sent = model.sent({name: found[name] for name in model.weights.parameters})
        return [*sent.values(), *(found[name] for name in named)]

    return simulate


def and_penalty(distance: DistanceTo, penalty: Penalty, weight: float) -> DistanceTo:
    """The distance between gradients plus `weight` times the penalty on what follows the gradient."""

    def to(observed: Sequence[Tensor]) -> Distance:
        near = distance(observed)

        def total(simulated: Sequence[Tensor]) -> Tensor:
            return near(simulated[: len(observed)]) + weight * penalty(simulated[len(observed) :])

        return total

    return to
