"""ResNet-18 with the stem for small images."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape


@models.register("resnet18")
@dataclass(frozen=True, kw_only=True)
class ResNet18(Model):
    """torchvision's ResNet-18; a 3x3 stem of stride 1 and no max-pooling, as is usual for 32x32 images."""

    paper: ClassVar = "https://arxiv.org/abs/1512.03385"
    cites: ClassVar = "he2016deep"
    images_only: ClassVar = True

    def network(self, shape: Shape, classes: int) -> nn.Module:
        # Imported here: torchvision takes seconds to import, and the catalogue of models is read by every command.
        from torchvision.models import resnet18

        network: nn.Module = resnet18(num_classes=classes)
        network.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
        return network
