"""What images of different epochs have in common, in whatever order each epoch takes them."""

from torch import Tensor

from .gradient_match import Dummy, Term


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
