"""Which label belongs to which guessed image."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.randomness import global_dice

from .head import find_head
from .objective import in_dtype, mode_of


def labels_of(
    observation: Observation, inputs: Float[Tensor, "batch channels height width"]
) -> Int[Tensor, " batch"] | None:
    """The label of each image of a whole batch, read off the head's gradient; None where it cannot be.

    The head's weight gradient is `Σ_j (p_j - y_j) h_jᵀ / K`. With the images known, so are their features h and
    posteriors p, and the one-hot rows y are what is left of a linear system. Right where the images are, and where
    their features are independent (so at most as many images as features).
    """
    head, task = find_head(observation.task), observation.task
    if head is None or len(inputs) != observation.examples():
        return None
    weights = in_dtype(observation.before, torch.float64)
    weight = weights.parameters[head.weight].requires_grad_()
    try:
        with global_dice("pairing"):
            logits = task.logits(weights, inputs.double(), mode=mode_of(observation))
    except (ValueError, RuntimeError):
        return None  # the network does not run on such a batch, or not in double precision
    # An output's derivative by its own row of weights is what the head sees: the features.
    features = torch.stack([torch.autograd.grad(row[0], weight, retain_graph=True)[0][0] for row in logits])
    gradient = observation.gradient()[head.weight].double()
    excess: Tensor = torch.linalg.lstsq(features.T, len(inputs) * gradient.T, driver="gelsd").solution
    truth: Tensor = logits.detach().softmax(1) - excess
    return truth.argmax(1)
