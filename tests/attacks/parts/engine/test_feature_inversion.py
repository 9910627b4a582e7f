"""Images that have given features."""

import pytest
import torch

from fedleak.attacks.parts.engine.feature_inversion import FeatureMatch, Inversion
from fedleak.learning.space import Images
from fedleak.randomness import generator

SHAPE = (1, 6, 6)


@pytest.fixture
def front():
    """Forty random sums of 36 pixels: enough to tell them."""
    weight = torch.randn(36, 40, generator=generator("front"))
    return lambda images: images.flatten(1) @ weight


def inverted(front, features, **options):
    inversion = Inversion(**{"steps": 400, "learning_rate": 0.1, "smoothness": 0.0, **options})
    return inversion.run(front, features, Images(*SHAPE), generator(0))


@pytest.mark.slow
def test_where_features_tell_the_image_it_is_found(front):
    images = torch.rand(3, *SHAPE, generator=generator("images"))
    found, rest = inverted(front, front(images))
    assert (found.inputs - images).abs().max() < 0.02
    assert rest.max() < 1e-4
    assert found.trace[-1].loss < 1e-3 * found.trace[0].loss


@pytest.mark.slow
def test_what_features_do_not_tell_is_smooth():
    images = torch.rand(1, *SHAPE, generator=generator("image"))
    found, _ = inverted(lambda x: x.flatten(1)[:, :6], images.flatten(1)[:, :6], smoothness=0.03)
    assert (found.inputs[0, 0, 0] - images[0, 0, 0]).abs().max() < 0.2
    assert (found.inputs[0, 0, 2:] - found.inputs[0, 0, 1:-1]).abs().max() < 0.05


def test_pixels_stay_in_the_box(front):
    found, rest = inverted(front, front(3 * torch.ones(2, *SHAPE)), steps=50)
    assert found.inputs.min() >= 0.0
    assert found.inputs.max() <= 1.0
    assert rest.min() > 0.1


def test_each_image_counts_the_same_however_long_its_features(front):
    features = front(torch.rand(2, *SHAPE, generator=generator("images")))
    images = torch.rand(2, *SHAPE, generator=generator("guess"))
    one = FeatureMatch(given=Images(*SHAPE), front=front, features=features, smoothness=0.0).unexplained(images)
    two = FeatureMatch(
        given=Images(*SHAPE), front=lambda x: 100 * front(x), features=100 * features, smoothness=0.0
    ).unexplained(images)
    assert torch.allclose(one, two, rtol=1e-4)


def test_a_front_that_is_not_finite_is_a_failure():
    found, rest = inverted(lambda images: images.flatten(1) * torch.nan, torch.ones(2, 36), steps=3)
    assert found.inputs is None
    assert "diverged" in found.failure
    assert len(rest) == 0
