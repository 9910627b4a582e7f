"""Convex mixtures of examples, with their labels."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch, as_shares


def mixture(
    examples: Batch,
    classes: int,
    partners: Int[Tensor, "parts mixtures"],
    coefficients: Float[Tensor, "parts mixtures"],
) -> Batch:
    """`Σ_k c_k x_k` of examples and of their labels as probabilities; `partners` are places in the batch."""
    labels = examples.labels
    soft = as_shares(labels, torch.empty(len(labels), classes, device=labels.device))
    weighed = [
        (
            weight.reshape(-1, *[1] * (examples.inputs.dim() - 1)) * examples.inputs[chosen],
            weight.reshape(-1, 1) * soft[chosen],
        )
        for weight, chosen in zip(coefficients.to(labels.device), partners.to(labels.device), strict=True)
    ]
    inputs, probabilities = zip(*weighed, strict=True)
    return replace(examples, inputs=torch.stack(inputs).sum(0), labels=torch.stack(probabilities).sum(0))


def require_partners(defense: str, held: int) -> None:
    """Raises `ConfigError` where a client holds a single example, whatever its batches are."""
    if held < 2:
        raise ConfigError(
            f"'{defense}' mixes the examples of a client with each other, and one has {held}; take fewer clients or "
            "another federation.partition"
        )
