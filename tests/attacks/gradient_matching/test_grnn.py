"""Images made by an untrained generator whose weights are moved."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.gradient_matching.grnn import GRNN, and_root, squared_variation
from fedleak.attacks.parts.engine.distances import squared
from fedleak.attacks.parts.engine.gradient_match import Dummy
from fedleak.attacks.parts.learning.untrained_generator import INPUT, untrained_generator
from fedleak.attacks.parts.optimizers.first_order import rmsprop
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


@pytest.mark.slow
def test_it_finds_a_smooth_image_and_its_label(smooth_task, observe):
    ramp = torch.linspace(0.1, 0.9, 6).expand(6, 6)
    for seed, image in enumerate((ramp, ramp.T, (ramp + ramp.T.flip(0)) / 2)):
        batch = Batch(image[None, None].contiguous(), torch.tensor([seed]))
        guess = GRNN(steps=400, learning_rate=3e-4).run(observe(smooth_task, batch), generator(seed))
        assert (guess.inputs - batch.inputs).square().mean() < 0.1 * (0.5 - batch.inputs).square().mean()
        assert guess.labels.tolist() == [seed]


@pytest.mark.slow
def test_more_steps_and_restarts_lower_the_loss(linear_task, observe, batch_of):
    seen = observe(linear_task, batch_of(linear_task, 1))
    one, four = (GRNN(steps=5, restarts=count).run(seen, generator(0)) for count in (1, 4))
    assert four.mismatch <= one.mismatch + 1e-6
    assert GRNN(steps=60).run(seen, generator(0)).mismatch < 0.99 * one.mismatch


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 6, 6), (3, 8, 8), (1, 25, 25), (1, 28, 28), (3, 32, 20)])
def test_a_generator_makes_images_of_any_shape(shape, linear_task):
    network = untrained_generator(linear_task, shape, generator(0)).requires_grad_(False)
    images, labels = network(torch.randn(2, INPUT, generator=generator(1)))
    assert images.shape == (2, *shape)
    assert float(images.min()) > 0
    assert float(images.max()) < 1
    assert torch.allclose(labels.sum(1), torch.ones(2))


def test_the_root_is_added_to_the_square():
    distance = and_root(squared)([torch.tensor([3.0, 4.0])])
    assert float(distance([torch.tensor([3.0, 9.0])])) == pytest.approx(1.0 + 1.0)
    assert float(distance([torch.tensor([3.0, 4.0])])) < 1e-9


def test_variation_is_that_of_neighbors():
    image = torch.tensor([[0.0, 1.0], [0.0, 1.0]])[None, None]
    dummy = Dummy(image, torch.tensor([0]), {})
    assert float(squared_variation(dummy)) == 2.0
    assert float(squared_variation(replace(dummy, inputs=torch.ones(1, 1, 2, 2)))) == 0.0


def test_rmsprop_is_torch_s():
    ours = torch.tensor([1.0, -2.0])
    theirs = torch.nn.Parameter(ours.clone())
    optimiser = torch.optim.RMSprop([theirs], lr=0.01, momentum=0.9)
    way = rmsprop(0.01, 0.9)(ours.clone(), 20)
    _, point = next(way)
    for _ in range(19):
        optimiser.zero_grad()
        (theirs.square().sum()).backward()
        optimiser.step()
        _, point = way.send((point.square().sum(), 2 * point))
    assert torch.allclose(point, theirs.detach(), atol=1e-6)
