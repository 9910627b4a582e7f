"""A guess at the image behind a transformer's update made sharper with derivatives that are computed, not observed."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import global_dice

from .objective import in_dtype, mode_of
from .patch_tokens import PatchTokens


def sharpened(
    observation: Observation,
    tokens: PatchTokens,
    images: Float[Tensor, "1 channels height width"],
    labels: Int[Tensor, "1"],
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
        with global_dice("sharpened"):  # for dropout: the same guess for the same observation
            ours = observation.task.gradients(weights, guess, labels, mode=mode_of(observation))
        scale = _product(ours, observed) / max(_product(ours, ours), 1e-300)
        rest = {name: value - scale * ours[name] for name, value in observed.items()}
        distance = _product(rest, rest)
        if scale <= 0 or not torch.isfinite(guess).all():
            break
        if distance < least:
            best, least = guess, distance
        by_token = scale * ours[tokens.position].flatten(0, 1)
        guess = tokens.image(torch.linalg.pinv(by_token.T) @ right, observation.task).clamp(0.0, 1.0)
    return best.to(images.dtype)


def _product(one: NamedTensors, other: NamedTensors) -> float:
    return float(sum((value * other[name]).sum() for name, value in one.items()))
