"""A stranger's scans: two classes, a model with a single logit, and the loss that goes with it."""

import torch
from torch import nn


def scans(count=240, side=16, seed=5):
    """Gray pictures with a bright spot (ill) or without one (well), one in three of them ill."""
    rng = torch.Generator().manual_seed(seed)
    ill = (torch.arange(count) % 3 == 0).long()
    ramp = torch.linspace(0, 1, side)
    middle = 0.2 + 0.6 * torch.rand(count, 2, 1, 1, generator=rng)
    spot = torch.exp(-60 * ((ramp[:, None] - middle[:, 0]) ** 2 + (ramp[None] - middle[:, 1]) ** 2))
    tissue = 0.3 + 0.1 * torch.rand(count, side, side, generator=rng)
    return (tissue + 0.5 * ill[:, None, None] * spot)[:, None].clamp(0, 1), ill


class Detector(nn.Module):
    """How likely a scan is ill, as one logit."""

    def __init__(self, width=6):
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten())
        self.ill = nn.Linear(width * 16, 1)

    def forward(self, scan):
        return self.ill(self.look(scan)).squeeze(1)
