"""ConvNet: small, ReLU, without normalization."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape


@models.register("convnet")
@dataclass(frozen=True, kw_only=True)
class ConvNet(Model):
    """Three 3x3 convolutions with ReLU (32 to 64 channels, strides 1, 2, 2), then a linear classifier."""

    paper: ClassVar = "https://arxiv.org/abs/2003.14053"
    cites: ClassVar = "geiping2020inverting"
    images_only: ClassVar = True
    width: int = 32

    def network(self, shape: Shape, classes: int) -> nn.Module:
        width = self.width
        depth, height, breadth = shape
        features = 2 * width * -(-height // 4) * -(-breadth // 4)
        return nn.Sequential(
            nn.Conv2d(depth, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(features, classes),
        )
