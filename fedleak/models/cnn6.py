"""CNN6: the ConvNet without biases that a recursion over its layers (R-GAP) inverts."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape


@models.register("cnn6")
@dataclass(frozen=True, kw_only=True)
class CNN6(Model):
    """Six convolutions (12, 36, 36, 36, 64, 128 channels; strides 2, 2, 1, 1, 2, 1) and a linear classifier, no biases.

    LeakyReLU of slope 0.2 behind each convolution: every activation can be turned round.
    """

    paper: ClassVar = "https://arxiv.org/abs/2010.07733"
    cites: ClassVar = "zhu2021rgap"
    images_only: ClassVar = True

    def network(self, shape: Shape, classes: int) -> nn.Module:
        depth, height, width = shape
        plan = ((12, 4, 2, 2), (36, 3, 2, 1), (36, 3, 1, 1), (36, 3, 1, 1), (64, 3, 2, 1), (128, 3, 1, 1))
        layers: list[nn.Module] = []
        for channels, kernel, stride, padding in plan:
            layers += [nn.Conv2d(depth, channels, kernel, stride, padding, bias=False), nn.LeakyReLU(0.2)]
            height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
            depth = channels
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(depth * height * width, classes, bias=False))
