"""Multi-task GAN: what the three judges make of the generator."""

import pytest
import torch

from fedleak.attacks.parts.learning.multitask_gan import Known, Redrawer, train_against_judges
from fedleak.learning.batch import Batch
from fedleak.learning.space import Images
from fedleak.randomness import generator

SPACE = Images(1, 6, 6)
PUBLIC = Batch(0.3 + 0.4 * torch.rand(60, 1, 6, 6, generator=generator("public")), torch.arange(60) % 2)


def redrawn(weights: tuple[float, float], own: float, steps: int = 60) -> torch.Tensor:
    """Public images, redrawn for a client whose images are brighter or darker than those of others."""
    known = Known(
        public=PUBLIC,
        own=PUBLIC.inputs + own,
        foreign=PUBLIC.inputs - own,
        classify=lambda images: torch.stack([images.mean((1, 2, 3)), 1 - images.mean((1, 2, 3))], 1),
    )
    return train_against_judges(known, SPACE, weights, steps, generator("gan"))(PUBLIC.inputs)


def test_at_first_it_redraws_images_as_they_are() -> None:
    assert torch.equal(Redrawer(SPACE)(PUBLIC.inputs), PUBLIC.inputs)


@pytest.mark.slow
def test_it_goes_the_way_that_the_clients_images_differ_from_those_of_others() -> None:
    bright, dark = (redrawn((0.0, 1.0), own).mean() for own in (0.1, -0.1))
    assert dark < PUBLIC.inputs.mean() < bright


def test_the_same_dice_give_the_same_generator() -> None:
    assert torch.equal(redrawn((0.1, 1.0), 0.1, 5), redrawn((0.1, 1.0), 0.1, 5))
