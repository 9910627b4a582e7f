"""What images look like: terms that a matching attack adds to its objective."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from .gradient_match import Dummy, Term

Prior = Callable[[Float[Tensor, "batch channels height width"]], Float[Tensor, ""]]
"""From a dummy batch to a penalty, lower for what is more plausible."""


def on_images(prior: Prior) -> Term:
    """The prior as a term of a gradient-matching objective."""

    def term(dummy: Dummy) -> Tensor:
        return prior(dummy.inputs)

    return term


def total_variation(inputs: Float[Tensor, "batch channels height width"]) -> Float[Tensor, ""]:
    """Mean absolute difference of neighbouring pixels, along rows plus along columns: small for smooth images.

    Source: https://doi.org/10.1016/0167-2789(92)90242-F
    """
    rows = (inputs[..., 1:, :] - inputs[..., :-1, :]).abs().mean()
    columns = (inputs[..., :, 1:] - inputs[..., :, :-1]).abs().mean()
    return rows + columns


def towards_grey(inputs: Float[Tensor, "batch channels height width"]) -> Float[Tensor, ""]:
    """Mean squared distance from mid-grey: the L2 prior of images in [0, 1].

    Source: https://arxiv.org/abs/2104.07586
    """
    return (inputs - 0.5).square().mean()
