"""A stranger's fine-tuning: a body that stays as it is, a head that is trained, and a focal loss."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset


def leaves(count=160, kinds=4):
    """Leaves of a few shapes, as arrays of uint8 in rows, columns, channels."""
    rng = np.random.default_rng(3)
    kind = np.arange(count) % kinds
    y, x = np.mgrid[-1:1:12j, -1:1:12j]
    width = 0.25 + 0.2 * kind[:, None, None] + 0.05 * rng.standard_normal((count, 1, 1))
    leaf = (x**2 / width**2 + y**2 < 0.9)[..., None] * np.array([60, 170, 70])
    pictures = (leaf + rng.integers(0, 40, (count, 12, 12, 3))).clip(0, 255).astype(np.uint8)
    return pictures, kind


def as_tensors():
    """The same as torch likes it."""
    pictures, kind = leaves()
    return TensorDataset(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255, torch.from_numpy(kind))


def fine_tuned(num_classes, in_channels=3):
    """A body whose filters are given, and a head that is not."""
    body = nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, padding=1), nn.GELU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.GELU(), nn.Flatten(),
    )  # fmt: skip
    return nn.Sequential(body, nn.Sequential(nn.Linear(288, 24), nn.GELU(), nn.Linear(24, num_classes)))


def focal(scores, kind, gamma=2.0):
    """Counts what is already right less."""
    entropy = F.cross_entropy(scores, kind, reduction="none")
    return ((1 - (-entropy).exp()) ** gamma * entropy).mean()
