"""Vision transformer: small, its patches and positions go straight into the attention."""

from dataclasses import dataclass
from math import gcd
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape


@models.register("vit")
@dataclass(frozen=True, kw_only=True)
class ViT(Model):
    """Patches, a learnable position for each, multi-head attention without normalization or residual before it, an MLP.

    The form that APRIL's closed form is for. GELU and softmax: twice differentiable everywhere.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.14087"
    cites: ClassVar = "lu2022april"
    images_only: ClassVar = True
    grid: int = 4
    """Patches along each side of the image, or the largest divisor of it that divides both sides."""
    width: int = 256
    """Features of a token; a multiple of `heads`."""
    heads: int = 4

    def network(self, shape: Shape, classes: int) -> nn.Module:
        grid = gcd(self.grid, *shape[1:])
        patch = (shape[1] // grid, shape[2] // grid)
        return VisionTransformer(shape[0], patch, grid * grid, self.width, self.heads, classes)


class VisionTransformer(nn.Module):
    """From images to logits: embed, place, attend, an MLP with a residual, the mean over tokens, a linear head."""

    def __init__(
        self, channels: int, patch: tuple[int, int], tokens: int, width: int, heads: int, classes: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(1.0 * torch.randn(1, tokens, width))
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.head = nn.Linear(width, classes)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        tokens = self.embedding(images).flatten(2).transpose(1, 2) + self.position
        attended = self.attention(tokens)
        logits: Tensor = self.head((attended + self.mlp(attended)).mean(1))
        return logits


class Attention(nn.Module):
    """Multi-head self-attention written out, so that it can be differentiated twice on every device."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        query, key, value = (
            layer(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        share = F.softmax(query @ key.transpose(2, 3) / query.shape[3] ** 0.5, dim=3)
        attended: Tensor = self.output((share @ value).transpose(1, 2).flatten(2))
        return attended
