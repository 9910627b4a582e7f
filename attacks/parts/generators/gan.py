"""GAN: a generator of images that a second network, trained against it, cannot tell from public ones."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from fedleak.learning.batch import Batch
from fedleak.learning.space import require_images
from fedleak.learning.task import Task
from fedleak.progress import report
from fedleak.randomness import seeded

from ..learning.autoencoder import Decoder
from ..learning.fit import fit
from ..optimizers.first_order import adam
from .autoencoder import DecodedSpace
from .latent_space import enough

GROUP = 32
"""Images of one step."""
WIDTH = 32
RATE = 2e-4
BLUR = 0.1
"""Standard deviation of the noise on what is told apart, so that few public images are not learned by heart."""


def fit_gan(task: Task, public: Batch | None, dimensions: int, steps: int, rng: Generator) -> DecodedSpace:
    """Trains a generator and what judges it in turn, by the loss that does not saturate; whatever the class.

    Latents are N(0, 1). Needs images, else raises `NotApplicable`. Sources: https://arxiv.org/abs/1406.2661,
    https://arxiv.org/abs/1610.04490 (the noise)
    """
    public, images = enough(public), require_images(task.space, "a GAN")
    with seeded("gan", int(torch.randint(2**62, (), generator=rng))):
        decoder, judge = Decoder(images.shape, 1, dimensions), _Judge(images.shape)
    space = DecodedSpace(torch.ones(dimensions), decoder)
    group = min(GROUP, len(public))

    def drawn() -> Float[Tensor, "group *shape"]:
        return space.decode(space.draw(group, rng))

    def verdict(pictures: Float[Tensor, "group *shape"]) -> Float[Tensor, "group 1"]:
        scores: Tensor = judge(pictures + BLUR * torch.randn(pictures.shape, generator=rng))
        return scores

    def told_apart() -> Float[Tensor, ""]:
        real = public.inputs[torch.randint(len(public), (group,), generator=rng)]
        return F.softplus(-verdict(real)).mean() + F.softplus(verdict(drawn().detach())).mean()

    def found_out() -> Float[Tensor, ""]:
        return F.softplus(-verdict(drawn())).mean()

    rounds: list[tuple[nn.Module, Callable[[], Tensor]]] = [(judge, told_apart), (decoder, found_out)]
    for step, _ in zip(*(fit(network, loss, adam(RATE), steps) for network, loss in rounds), strict=True):
        report(step, steps)
    decoder.requires_grad_(False)
    return space


class _Judge(nn.Module):
    """One score an image, by its looks and by how much the group that it came with varies: sameness gives forgers away.

    Source of the latter: https://arxiv.org/abs/1710.10196
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        depth, height, width = shape
        self.looks = nn.Sequential(
            nn.Conv2d(depth, WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTH, 2 * WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.score = nn.Linear((2 * WIDTH + 1) * -(-height // 4) * -(-width // 4), 1)

    def forward(self, images: Float[Tensor, "group channels height width"]) -> Float[Tensor, "group 1"]:
        looks = self.looks(images)
        varied = (looks.var(0, correction=0) + 1e-8).sqrt().mean(0).expand(len(looks), 1, *looks.shape[2:])
        scores: Tensor = self.score(torch.cat([looks, varied], 1).flatten(1))
        return scores
