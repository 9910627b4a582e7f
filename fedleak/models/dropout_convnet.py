"""ConvNet with dropout: small, ReLU."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape
from fedleak.settings.base import Share


@models.register("dropout-convnet")
@dataclass(frozen=True, kw_only=True)
class DropoutConvNet(Model):
    """The `convnet` with dropout after its second convolution and before its classifier."""

    paper: ClassVar = "https://arxiv.org/abs/1207.0580"
    cites: ClassVar = "hinton2012improving"
    images_only: ClassVar = True
    width: int = 32
    rate: Share = 0.25
    """Share of the features that is dropped in training."""

    def network(self, shape: Shape, classes: int) -> nn.Module:
        width, (depth, height, breadth) = self.width, shape
        features = 2 * width * -(-height // 4) * -(-breadth // 4)
        return nn.Sequential(
            nn.Conv2d(depth, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Dropout(self.rate),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(self.rate),
            nn.Linear(features, classes),
        )
