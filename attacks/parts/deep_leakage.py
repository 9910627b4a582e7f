"""The matching that DLG and iDLG share: L2, L-BFGS in float64; they differ in the labels alone."""

import torch

from fedleak.observation import Observation

from .distances import squared, squared_up_to_length
from .evidence import length_unknown
from .lbfgs import lbfgs
from .matching import Matching


def deep_leakage(observation: Observation, steps: int) -> Matching:
    """L2 between the gradients (up to length where the update's length says nothing), ended early when it stalls."""
    return Matching(
        distance=squared_up_to_length if length_unknown(observation) else squared,
        optimiser=lbfgs(),
        steps=steps,
        box=False,
        dtype=torch.float64,
        patience=100,
    )
