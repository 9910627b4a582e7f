"""LeNet-5 with ReLU and max-pooling: what small digits are usually classified by."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape
from fedleak.settings.base import Count


@models.register("lenet5")
@dataclass(frozen=True, kw_only=True)
class LeNet5(Model):
    """Two 5x5 convolutions with ReLU and 2x2 max-pooling (8 and 16 channels), then three linear layers (120, 84).

    He et al. attack it cut after its first layer (`cut = 1`) and after its fifth, the second ReLU. Differences from
    theirs: convolutions are padded and pools round up, so that strips of any width can be put side by side above a cut.
    """

    paper: ClassVar = "https://doi.org/10.1145/3359789.3359824"
    cites: ClassVar = "he2019model"
    images_only: ClassVar = True
    channels: int = 8
    hidden: Count = 120
    """Neurons of the first of the linear layers."""

    def network(self, shape: Shape, classes: int) -> nn.Module:
        width = self.channels
        depth, height, breadth = shape
        features = 2 * width * -(-height // 4) * -(-breadth // 4)
        return nn.Sequential(
            nn.Conv2d(depth, width, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(width, 2 * width, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(features, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, 84),
            nn.ReLU(),
            nn.Linear(84, classes),
        )
