"""Row-space certificate: rank, row space and active neurons of one layer prove that images are behind an update."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.gradients.rank import CLEAR, outside

from ..applicability import defect
from .inputs import Layer, agreement, contradictions
from .sparse_columns import column, evened

ROUNDED = 1e-6
"""What single precision takes off an image, relative to it."""
AGREED = 0.99
"""Share of the neurons that must be as each image says: a derivative may be below noise at one that is awake."""
LOOSE = 10.0
"""How many times its standard deviation an error may be."""


def provable(observation: Observation) -> bool:
    """Whether its rank proves images: no defense, mask or augmentation acted. Any number of steps or clients."""
    changed = observation.defense or observation.masked or observation.training.augmentation
    return not changed and defect(observation) is None


def certify_span(observation: Observation, layer: Layer, inputs: Float[Tensor, "guesses features"]) -> str | None:
    """The three tests that a set of images passed, in words with their figures; None where they did not.

    - Rank: the weight gradient has as many singular values above its noise as there are images, and no more.
    - Row space: each image is a combination of the gradient's rows, as every true input is, up to noise.
    - Neurons: with the images given, the derivatives are too, `D = G X⁺`. At no neuron that an image leaves asleep is
      its derivative above noise, and at next to none that it wakes is it zero.

    Together they prove that the layer's gradient is `Σ_j d_j x_jᵀ` over just these images, each consistent with the
    network. Another set that passes would have to lie in the same few dimensions and mix these images without turning
    on or off one neuron too many in any: nothing forbids it, at a few hundred neurons it does not happen by chance.
    They need no labels, no learning rate and no single step; and they say nothing of an example that moves the layer
    by less than its noise.
    """
    factors = layer.factors
    if not provable(observation) or not 0 < len(inputs) == factors.rank or factors.tail > CLEAR:
        return None
    within = inputs @ factors.right.T
    blur = factors.noise * (within / factors.left.norm(dim=0)).norm(dim=1) * inputs.shape[1] ** 0.5
    away = outside(inputs, factors.right)
    if bool((away > ROUNDED + LOOSE * blur / inputs.norm(dim=1).clamp_min(1e-300)).any()):
        return None
    rows = evened(factors.left, factors.noise * max(1.0, factors.tail), turns=0)
    directions = torch.linalg.pinv(within)
    columns = [column(rows, direction / direction.norm()) for direction in directions.T]
    agreed = agreement(layer, columns, inputs)
    asleep = len(layer.bias_gradient) - max(int((sparse.clear & ~sparse.zero).sum()) for sparse in columns)
    if contradictions(layer, columns, inputs) or float(agreed.min()) < AGREED or asleep <= factors.rank:
        return None
    return (
        f"first layer: rank {factors.rank}, images within {float(away.max()):.0e} of its row space, "
        f"each waking its own neurons ({float(agreed.min()):.2%} agree)"
    )
