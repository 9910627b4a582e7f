"""A stranger's shelves: every picture shows any number of five things, and is labeled with all of them."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset


class Shelves(Dataset):
    """Squares of five colors, each in a place of its own; some shelves are empty."""

    def __init__(self, count=200, things=5):
        rng = np.random.default_rng(17)
        self.there = rng.random((count, things)) < 0.35
        self.images = 0.2 + 0.2 * rng.random((count, 3, 12, 12), dtype=np.float32)
        for thing in range(things):
            row, column = divmod(thing, 3)
            place = np.s_[:, :, 1 + 6 * row : 5 + 6 * row, 4 * column : 3 + 4 * column]
            color = rng.random((3, 1, 1), dtype=np.float32)
            self.images[place] += 0.5 * self.there[:, thing, None, None, None] * color

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return torch.from_numpy(self.images[index]), self.there[index]


class Tagger(nn.Module):
    """A logit for each thing."""

    def __init__(self, num_classes, width=6):
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten())
        self.tags = nn.Linear(width * 36, num_classes)

    def forward(self, images):
        return self.tags(self.look(images))
