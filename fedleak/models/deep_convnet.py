"""Deep ConvNet: ReLU, without normalization."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape


@models.register("deep-convnet")
@dataclass(frozen=True, kw_only=True)
class DeepConvNet(Model):
    """Five 3x3 convolutions with ReLU (64, 128, 128, 256, 256 channels, strides 1, 2, 1, 2, 1), then a classifier."""

    paper: ClassVar = "https://arxiv.org/abs/2003.14053"
    cites: ClassVar = "geiping2020inverting"
    images_only: ClassVar = True
    width: int = 64

    def network(self, shape: Shape, classes: int) -> nn.Module:
        width, (depth, height, breadth) = self.width, shape
        channels = (depth, width, 2 * width, 2 * width, 4 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after, stride in zip(channels, channels[1:], (1, 2, 1, 2, 1), strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.ReLU()]
        features = channels[-1] * -(-height // 4) * -(-breadth // 4)
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, classes))
