"""ConvNet: small, ReLU, without normalization."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.tasks import Shape


@models.register("convnet")
@dataclass(frozen=True, kw_only=True)
class ConvNet(Model):
    """Three 3x3 convolutions with ReLU (32 to 64 channels, strides 1, 2, 2), then a linear classifier."""

    paper: ClassVar = "https://arxiv.org/abs/2003.14053"
    bibtex: ClassVar = """@inproceedings{geiping2020inverting,
  title = {Inverting Gradients -- How easy is it to break privacy in federated learning?},
  author = {Geiping, Jonas and Bauermeister, Hartmut and Dr{\\"o}ge, Hannah and Moeller, Michael},
  booktitle = {Advances in Neural Information Processing Systems}, volume = {33}, year = {2020},
  url = {https://arxiv.org/abs/2003.14053}
}"""
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
