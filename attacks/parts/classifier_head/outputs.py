"""Features and posteriors of the classifier head on images that the adversary holds."""

from dataclasses import dataclass
from itertools import combinations
from math import prod

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.learning.weights import Weights
from fedleak.randomness import seeded

from ..applicability import mode_of
from .gradient import head_of

PROBES = 8
"""Examples that show the sign of features: flat ones and ramps, of images in all directions."""


@dataclass(frozen=True, kw_only=True)
class HeadView:
    """Inputs and outputs of the last layer, in float64."""

    features: Float[Tensor, "examples features"] | None
    """None where the last layer is no plain linear layer on one vector an example."""
    logits: Float[Tensor, "examples classes"]

    @property
    def posteriors(self) -> Float[Tensor, "examples classes"]:
        """By a softmax: of cross-entropy."""
        return self.logits.softmax(1)


def view(
    observation: Observation, inputs: Float[Tensor, "examples *shape"], weights: Weights | None = None
) -> HeadView:
    """Runs the network (at the weights sent, or at others) on images, in batches of the clients' size.

    So BatchNorm in train mode sees what it would see there; a single image it sees twice. Not finite outputs count as
    zero.
    """
    if len(inputs) == 1:
        twice = view(observation, torch.cat([inputs, inputs]), weights)
        return HeadView(features=None if twice.features is None else twice.features[:1], logits=twice.logits[:1])
    weights = weights or observation.before
    seen: list[Tensor] = []
    logits: list[Tensor] = []
    batches = -(-len(inputs) // max(observation.training.batch_size or observation.examples(), 2))
    layer = last_layer(observation)
    handle = layer.register_forward_pre_hook(lambda _, values: seen.append(values[0].detach())) if layer else None
    try:
        with torch.no_grad(), seeded("view"):
            for some in inputs.tensor_split(max(min(batches, len(inputs) // 2), 1)):
                logits.append(observation.task.logits(weights.clone(), some, mode=mode_of(observation)))
    finally:
        if handle:
            handle.remove()
    plain = len(seen) == len(logits) and all(value.ndim == 2 for value in seen)
    return HeadView(features=_clean(torch.cat(seen)) if plain else None, logits=_clean(torch.cat(logits)))


def noise_view(observation: Observation, images: int, rng: Generator, weights: Weights | None = None) -> HeadView:
    """What the last layer makes of images whose pixels are uniform noise."""
    return view(observation, observation.task.space.uniform(images, rng), weights)


def never_negative(observation: Observation) -> bool:
    """Whether the last layer's inputs cannot be negative (ReLU, sigmoid), as far as a few probes show."""
    space = observation.task.space
    ramp = space.at(torch.linspace(0.0, 1.0, prod(space.shape))).reshape(space.shape)
    levels = space.at(torch.linspace(0.0, 1.0, PROBES // 2))
    flat = torch.stack([torch.full_like(ramp, float(level)) for level in levels])
    ramps = [
        ramp.flip(axes) for count in range(len(space.neighbors) + 1) for axes in combinations(space.neighbors, count)
    ]
    features = view(observation, torch.cat([flat, torch.stack(ramps)])).features
    return features is not None and bool((features >= 0).all())


def last_layer(observation: Observation) -> nn.Linear | None:
    """The head as a module, where it is a plain layer."""
    head = head_of(observation.task)
    layer = observation.task.network.get_submodule(head.weight.rpartition(".")[0])
    return layer if isinstance(layer, nn.Linear) and head.plain else None


def _clean(values: Tensor) -> Tensor:
    return torch.nan_to_num(values.double(), posinf=0.0, neginf=0.0)


# Impact of an example on the row sums of the head's gradient, measured on images whose labels are known.


@dataclass(frozen=True, kw_only=True)
class Impact:
    """In units of the mean gradient of a batch."""

    own_class: float
    """Of one example, to its own class's row; negative."""
    other_classes: Float[Tensor, " classes"]
    """Of a whole batch of other classes, to each row."""


def impact(views: list[HeadView], examples: int) -> Impact:
    """From a batch of each class, in the order of classes: its gradient's row sums, if all its labels are that class.

    Row sums are `mean_j (p_ji - y_ji) Σ_m h_jm`. Source: https://arxiv.org/abs/2105.09369
    """
    classes = len(views)
    rows = []
    for label, seen in enumerate(views):
        assert seen.features is not None
        wrong = seen.posteriors.clone()
        wrong[:, label] -= 1.0
        rows.append((wrong * seen.features.sum(1, keepdim=True)).mean(0))
    table = torch.stack(rows)
    diagonal = table.diagonal()
    return Impact(
        own_class=float(diagonal.mean()) / examples * (1 + 1 / classes),
        other_classes=(table.sum(0) - diagonal) / max(classes - 1, 1),
    )
