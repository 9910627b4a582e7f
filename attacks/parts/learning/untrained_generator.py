"""Untrained generator of images and soft labels, a deep image prior: its weights are optimized, not its input."""

from math import log2

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from fedleak.learning.task import Task
from fedleak.randomness import seeded

INPUT = 128
"""Random numbers that an image and its label are made from."""
WIDTH = 32
"""Channels before the pixels; each doubling of the size before that has twice as many."""
SPREAD = 0.02
"""Standard deviation of the first weights."""


class UntrainedGenerator(nn.Module):
    """From random numbers to images in [0, 1] and soft labels, by two branches that share nothing but their input.

    The images grow from a few pixels by doubling, each time a convolution, batch normalization and a gate (gated linear
    units); what sticks out over the shape is cut off. Source: https://arxiv.org/abs/2105.00529
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, several_labels: bool) -> None:
        super().__init__()
        self.several_labels = several_labels
        depth, height, width = shape
        self.size = height, width
        doublings = max(int(log2(min(height, width) / 4)), 1)
        self.small = tuple(-(-side // 2**doublings) for side in self.size)
        widths = [WIDTH * 2**power for power in reversed(range(doublings))]
        rows, columns = self.small
        self.label = nn.Linear(INPUT, classes)
        self.seed = nn.Linear(INPUT, 2 * widths[0] * rows * columns)
        self.growing = nn.ModuleList(_doubling(*pair) for pair in zip(widths, [*widths[1:], depth], strict=True))

    def forward(
        self, numbers: Float[Tensor, "batch numbers"]
    ) -> tuple[Float[Tensor, "batch channels height width"], Float[Tensor, "batch classes"]]:
        images = F.glu(self.seed(numbers).view(len(numbers), -1, *self.small), 1)
        for doubling in self.growing:
            images = F.glu(doubling(images), 1)
        height, width = self.size
        logits = self.label(numbers)
        labels = logits.sigmoid() if self.several_labels else logits.softmax(1)
        return images[..., :height, :width].sigmoid(), labels


def untrained_generator(task: Task, shape: tuple[int, int, int], rng: Generator) -> UntrainedGenerator:
    """A generator with first weights from N(0, 0.02²) and biases of zero."""
    with seeded("untrained generator", int(torch.randint(2**62, (), generator=rng))):
        network = UntrainedGenerator(shape, task.classes, task.criterion.several_labels)
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.normal_(layer.weight, 0.0, SPREAD)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
    return network


def _doubling(before: int, after: int) -> nn.Module:
    """Twice as high and wide; twice the channels that are left after the gate."""
    # Statistics of the batch alone: nothing is written while a loss is computed.
    return nn.Sequential(
        nn.Upsample(scale_factor=2.0),
        nn.Conv2d(before, 2 * after, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * after, track_running_stats=False),
    )
