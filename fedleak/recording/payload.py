"""Payload of a recording: names of its tensors, and vectors over a ring as tensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.defenses.secure_aggregation import masking_of
from fedleak.defenses.secure_aggregation_flower import flower_masking_of, sendable
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights, frozen_in
from fedleak.secure_aggregation.ring import Elements

RING = "ring"
"""Name of the tensor of a masked payload."""
OWN_SEED = "own-seed"
"""Name of a second one under Flower's protocol: the seed of the client's own mask, which the server learns."""
TRUSTED = "trusted/"
"""Before the name of a parameter: which entries of a sum are of one client alone, as 0 and 1."""
CIPHERTEXT = "ciphertext"
"""Name of the one tensor of a payload under homomorphic aggregation: its bytes."""
CUT = "values-cut"
"""The metric of a sum in 32 bits that has values which were cut to the greatest that was declared: how many."""
Payload = Literal["weights", "masked", "aggregate", "model"]
"""Weights after training, a vector under masks, the sum that a protocol opens, or the model after aggregation."""


def stem_of(kind: Payload, cohort: tuple[int, ...], round: int) -> Path:
    """Where such a recording lies in a folder of recordings, without suffix."""
    who = kind if kind in ("aggregate", "model") else f"client-{cohort[0]:04d}"
    return Path(f"round-{round:04d}") / who


def ring_asked(chain: Chain, before: Weights, task: Callable[[], Task]) -> tuple[int, int]:
    """Bits of the elements of a masked vector, and how many there are; zeros where the chain masks nothing."""
    ours, flower = masking_of(chain), flower_masking_of(chain)
    if flower is not None:
        return 32, 1 + sum(value.numel() for value in sendable(before, frozen_in(task().network)).values())
    return (0, 0) if ours is None else (ours.ring_bits, ours.entries(before))


def in_memory(elements: Elements) -> Tensor:
    """A vector over the ring as a tensor, which has no unsigned numbers: bit for bit."""
    return torch.from_numpy(elements.view(f"i{elements.itemsize}"))
