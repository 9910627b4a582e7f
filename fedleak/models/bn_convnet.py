"""ConvNet with BatchNorm: small, ReLU."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape


@models.register("bn-convnet")
@dataclass(frozen=True, kw_only=True)
class BatchNormConvNet(Model):
    """The `convnet` with BatchNorm after each convolution, whose statistics travel with every update."""

    paper: ClassVar = "https://arxiv.org/abs/1502.03167"
    cites: ClassVar = "ioffe2015batch"
    images_only: ClassVar = True
    width: int = 32

    def network(self, shape: Shape, classes: int) -> nn.Module:
        width, (depth, height, breadth) = self.width, shape
        layers: list[nn.Module] = []
        for before, after, stride in ((depth, width, 1), (width, 2 * width, 2), (2 * width, 2 * width, 2)):
            convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        features = 2 * width * -(-height // 4) * -(-breadth // 4)
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, classes))
