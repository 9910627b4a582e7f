"""The network, the photos and the training of the federation."""

import torch
from PIL import Image
from skimage import data
from torch import Tensor, nn
from torch.nn import functional

SIDE = 32
PHOTOGRAPHS = (data.chelsea, data.astronaut, data.coffee, data.rocket)


class Net(nn.Module):
    """Three convolutions with sigmoids, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 5, padding=2, stride=2)
        self.conv2 = nn.Conv2d(12, 12, 5, padding=2, stride=2)
        self.conv3 = nn.Conv2d(12, 12, 5, padding=2)
        self.fc = nn.Linear(12 * (SIDE // 4) ** 2, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.sigmoid(self.conv1(images))
        hidden = torch.sigmoid(self.conv2(hidden))
        hidden = torch.sigmoid(self.conv3(hidden))
        return self.fc(hidden.flatten(1))


def photos_of(client: int, count: int) -> tuple[Tensor, Tensor]:
    """A client's images in [0, 1], and their labels: squares of one photograph, each smaller than the one before."""
    photo = Image.fromarray(PHOTOGRAPHS[client % len(PHOTOGRAPHS)]())
    width, height = photo.size
    images = []
    for number in range(count):
        half = min(width, height) / 2 * 0.8**number
        box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
        small = photo.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box)
        pixels = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8)
        images.append(pixels.reshape(SIDE, SIDE, 3).permute(2, 0, 1) / 255)
    return torch.stack(images), torch.tensor([(client + number) % 10 for number in range(count)])


def train(net: nn.Module, images: Tensor, labels: Tensor, learning_rate: float) -> float:
    """One step on all images; the loss before it."""
    optimizer = torch.optim.SGD(net.parameters(), lr=learning_rate)
    loss = functional.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    return float(loss.detach())
