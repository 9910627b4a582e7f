"""Multi-task GAN: a generator of images judged by three tasks. Are they real, of their class, and of one client?"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from fedleak.learning.batch import Batch
from fedleak.learning.space import Images
from fedleak.progress import report
from fedleak.randomness import seeded

from ..optimizers.first_order import adam
from .fit import fit

GROUP = 64
"""Images of one step."""
WIDTH = 32
RATE = 5e-4
BLUR = 0.1
"""Standard deviation of the noise on what is judged, so that few images are not learned by heart."""


class Discriminators(nn.Module):
    """Two judges with one trunk: the scores that an image is real, and that it is the client's."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        depth, height, width = shape
        self.looks = nn.Sequential(
            nn.Conv2d(depth, WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTH, 2 * WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.scores = nn.Linear(2 * WIDTH * -(-height // 4) * -(-width // 4), 2)

    def forward(
        self, images: Float[Tensor, "group channels height width"]
    ) -> tuple[Float[Tensor, " group"], Float[Tensor, " group"]]:
        real, own = self.scores(self.looks(images)).unbind(1)
        return real, own


class Redrawer(nn.Module):
    """From public images to others of the same class: adds what three convolutions make of them, nothing at first."""

    def __init__(self, images: Images) -> None:
        super().__init__()
        self.images = images
        self.change = nn.Sequential(
            nn.Conv2d(images.channels, WIDTH, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, images.channels, 3, padding=1),
        )
        for parameter in self.change[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, pictures: Float[Tensor, "group *shape"]) -> Float[Tensor, "group *shape"]:
        return self.images.clamped(pictures + self.images.extent * self.change(pictures))


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the judges learn from, and the third of them, which is there already."""

    public: Batch
    own: Float[Tensor, "own *shape"]
    """Representatives of the client."""
    foreign: Float[Tensor, "foreign *shape"]
    """Representatives of others."""
    classify: Callable[[Float[Tensor, "group *shape"]], Float[Tensor, "group classes"]]
    """The client's own model: scores of the classes."""


def train_against_judges(
    known: Known, images: Images, weights: tuple[float, float], steps: int, rng: Generator
) -> Redrawer:
    """Trains a generator to redraw public images so that three judges take them for real, of their class, and the
    client's; the judges are trained in turn with it. `weights` are those of class and client where being real counts 1.

    Source: https://arxiv.org/abs/1812.00535
    """
    with seeded("judges", int(torch.randint(2**62, (), generator=rng))):
        judges, redrawer = Discriminators(images.shape), Redrawer(images)
    public = known.public

    def chosen(count: int) -> Tensor:
        return torch.randint(count, (GROUP,), generator=rng)

    def blurred(pictures: Tensor) -> Tensor:
        return pictures + BLUR * images.extent * torch.randn(pictures.shape, generator=rng)

    def told_apart() -> Float[Tensor, ""]:
        forged, _ = judges(blurred(redrawer(public.inputs[chosen(len(public))]).detach()))
        real, _ = judges(blurred(public.inputs[chosen(len(public))]))
        _, own = judges(blurred(known.own[chosen(len(known.own))]))
        _, foreign = judges(blurred(known.foreign[chosen(len(known.foreign))]))
        return F.softplus(-torch.cat([real, own])).mean() + F.softplus(torch.cat([forged, foreign])).mean()

    def found_out() -> Float[Tensor, ""]:
        group = public[chosen(len(public))]
        pictures = redrawer(group.inputs)
        real, own = judges(blurred(pictures))
        by_class, by_client = F.cross_entropy(known.classify(pictures), group.labels), F.softplus(-own).mean()
        return F.softplus(-real).mean() + weights[0] * by_class + weights[1] * by_client

    rounds: list[tuple[nn.Module, Callable[[], Tensor]]] = [(judges, told_apart), (redrawer, found_out)]
    for step, _ in zip(*(fit(network, loss, adam(RATE), steps) for network, loss in rounds), strict=True):
        report(step, steps)
    redrawer.requires_grad_(False)
    return redrawer
