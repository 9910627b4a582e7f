"""Networks of papers that are none of the product's: written out, so that a row has the paper's own setting."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape


def perceptron(inputs: int, hidden: Sequence[int], classes: int) -> nn.Module:
    """Linear layers with ReLU between them."""
    widths, layers = (inputs, *hidden), [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


@dataclass(frozen=True, kw_only=True)
class Perceptron(Model):
    """FCN-3 of iLRG; its siblings have other widths."""

    paper: ClassVar = "https://openreview.net/forum?id=FIrQfNSOoTr"
    cites: ClassVar = "ma2023instance"
    widths: ClassVar[Sequence[int]] = (300, 300)

    def network(self, shape: Shape, classes: int) -> nn.Module:
        return perceptron(prod(shape), self.widths, classes)


class FCN2(Perceptron):
    """FCN-3 of iLRG with one hidden layer less."""

    widths: ClassVar = (300,)


class FCN4(Perceptron):
    """FCN-3 of iLRG with one hidden layer more."""

    widths: ClassVar = (300, 300, 300)


class SixLayers(Perceptron):
    """The network that SPEAR is measured on: six hidden layers of 200."""

    paper: ClassVar = "https://arxiv.org/abs/2403.03945"
    cites: ClassVar = "dimitrov2024spear"
    widths: ClassVar = (200,) * 6


@dataclass(frozen=True, kw_only=True)
class LeNet5(Model):
    """LeNet-5 of iLRG for images of 32x32: ReLU and max-pooling, convolutions by Kaiming's initialization."""

    paper: ClassVar = "https://openreview.net/forum?id=FIrQfNSOoTr"
    cites: ClassVar = "ma2023instance"
    normalized: ClassVar[bool] = False

    def network(self, shape: Shape, classes: int) -> nn.Module:
        layers: list[nn.Module] = []
        for before, after in ((shape[0], 6), (6, 16)):
            convolution = nn.Conv2d(before, after, 5)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            layers += [convolution, *([nn.BatchNorm2d(after)] if self.normalized else []), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*layers, perceptron(16 * 5 * 5, (120, 84), classes))


class BatchNormLeNet5(LeNet5):
    """The same with BatchNorm."""

    normalized: ClassVar = True


@dataclass(frozen=True, kw_only=True)
class ResNet20x4(Model):
    """ResNet20-4 of Inverting Gradients: nine basic blocks, 64 to 256 channels."""

    paper: ClassVar = "https://arxiv.org/abs/2003.14053"
    cites: ClassVar = "geiping2020inverting"

    def network(self, shape: Shape, classes: int) -> nn.Module:
        from torchvision.models.resnet import BasicBlock

        layers: list[nn.Module] = [nn.Conv2d(shape[0], 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        for before, after, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2)):
            shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
            layers += [BasicBlock(before, after, stride, None if before == after else shortcut)]
            layers += [BasicBlock(after, after) for _ in range(2)]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, classes))


@dataclass(frozen=True, kw_only=True)
class MNISTConvNet(Model):
    """The network of source inference: two convolutions with max-pooling, three linear layers."""

    paper: ClassVar = "https://arxiv.org/abs/2109.05659"
    cites: ClassVar = "hu2021source"

    def network(self, shape: Shape, classes: int) -> nn.Module:
        return nn.Sequential(
            *(nn.Conv2d(shape[0], 32, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 5), nn.ReLU(), nn.MaxPool2d(2)),
            perceptron(64 * 4 * 4, (512, 128), classes),
        )


NETWORKS: dict[str, type[Model]] = {
    "fcn2": FCN2,
    "fcn3": Perceptron,
    "fcn4": FCN4,
    "six-layers": SixLayers,
    "ilrg-lenet5": LeNet5,
    "bn-lenet5": BatchNormLeNet5,
    "resnet20x4": ResNet20x4,
    "two-convolutions": MNISTConvNet,
}


@lru_cache(maxsize=1)
def register_networks() -> None:
    """Makes them available as models, in this process only: `import` alone changes nothing."""
    for name, network in NETWORKS.items():
        models.register(name)(network)
