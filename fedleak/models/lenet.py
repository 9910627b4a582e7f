"""LeNet as in Deep Leakage from Gradients: sigmoid, strided, twice differentiable everywhere."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape


@models.register("lenet")
@dataclass(frozen=True, kw_only=True)
class LeNet(Model):
    """Three 5x5 convolutions of 12 channels with sigmoids (strides 2, 2, 1), then a linear classifier."""

    paper: ClassVar = "https://arxiv.org/abs/1906.08935"
    cites: ClassVar = "zhu2019deep"
    images_only: ClassVar = True
    channels: int = 12

    def network(self, shape: Shape, classes: int) -> nn.Module:
        width = self.channels
        depth, height, breadth = shape
        features = width * -(-height // 4) * -(-breadth // 4)
        return nn.Sequential(
            nn.Conv2d(depth, width, 5, stride=2, padding=2),
            nn.Sigmoid(),
            nn.Conv2d(width, width, 5, stride=2, padding=2),
            nn.Sigmoid(),
            nn.Conv2d(width, width, 5, padding=2),
            nn.Sigmoid(),
            nn.Flatten(),
            nn.Linear(features, classes),
        )
