"""Regularizers: terms that say what examples look like."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from fedleak.learning.space import InputSpace

from .gradient_match import Dummy, Term

Prior = Callable[[Float[Tensor, "batch *shape"]], Float[Tensor, ""]]
"""From a dummy batch to a penalty, lower for what is more plausible."""


def on_inputs(prior: Prior) -> Term:
    """The prior as a term of a gradient-matching objective."""

    def term(dummy: Dummy) -> Tensor:
        return prior(dummy.inputs)

    return term


def variation(space: InputSpace) -> Term | None:
    """Total variation, small for smooth images; None where examples have no neighboring values."""
    return on_inputs(space.variation) if space.neighbors else None


def toward_gray(inputs: Float[Tensor, "batch channels height width"]) -> Float[Tensor, ""]:
    """Mean squared distance from mid-gray: the L2 prior of images in [0, 1].

    Source: https://arxiv.org/abs/2104.07586
    """
    return (inputs - 0.5).square().mean()


def same_images(epochs: int) -> Term:
    """Mean squared difference between the mean images of any two epochs: 0 where they hold the same images.

    The dummy batch holds epoch after epoch. Which image of one epoch is which of another does not matter to a mean.
    Source: https://arxiv.org/abs/2206.12395
    """

    def term(dummy: Dummy) -> Tensor:
        means = dummy.inputs.reshape(epochs, -1, *dummy.inputs.shape[1:]).mean(1)
        # Over all ordered pairs, an epoch with itself too, as in the paper: twice the variance between the epochs.
        return 2 * (means - means.mean(0)).square().mean()

    return term
