"""What the Cocktail Party attack unmixes, what it proves, and what it refuses."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.goals.matching import match, matched
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded

SHAPE = (1, 16, 16)


def network(*front, features=256, hidden=(200,)):
    widths = [features, *hidden]
    layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*front, nn.Flatten(), *layers, nn.Linear(widths[-1], 4))


@pytest.fixture
def wide():
    """One hidden layer, and behind it the head alone."""
    with seeded("wide"):
        return Task("wide", network(), SHAPE, 4)


@pytest.fixture
def deep():
    """Two hidden layers, so that nothing can be proved at the first one."""
    with seeded("deep"):
        return Task("deep", network(hidden=(200, 30)), SHAPE, 4)


@pytest.fixture
def behind_convolution():
    """The wide layer sees features that a convolution made."""
    with seeded("convolution"):
        front = (nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU())
        return Task("behind-convolution", network(*front, features=512), SHAPE, 4)


def boxes(examples, seed=0):
    """Images of eight rectangles of one shade each: their edges are few and sharp, as those of photos."""
    rng = generator("boxes", seed)
    images = torch.rand(examples, 1, 1, 1, generator=rng).repeat(1, *SHAPE)
    for image in images:
        for _ in range(8):
            top, left, height, width = torch.randint(2, 12, (4,), generator=rng).tolist()
            image[:, top - 2 : top - 2 + height, left - 2 : left - 2 + width] = torch.rand((), generator=rng)
    return Batch(images, torch.randint(4, (examples,), generator=rng))


def reconstruct(observation, seed=0, **options):
    return attacks.build("cocktail-party", options).run(observation, generator(seed))


def worst(guess, batch):
    """The largest error of a pixel, after matching."""
    return float((matched(guess.inputs, batch) - batch.inputs).abs().max())


def psnr(guess, batch):
    """The mean over the batch, after matching, in dB."""
    errors = (matched(guess, batch) - batch.inputs).square().flatten(1).mean(1)
    return float(-10 * errors.clamp_min(1e-10).log10().mean())


@pytest.fixture
def of_two_clients(observe):
    """The mean of two clients' updates, each over three images, and the six images behind it."""

    def aggregated(task, seed):
        parts = [boxes(3, (seed, client)) for client in range(2)]
        seen = [observe(task, part) for part in parts]
        mean = (seen[0].update.vector() + seen[1].update.vector()) / 2
        batch = Batch(torch.cat([part.inputs for part in parts]), torch.cat([part.labels for part in parts]))
        return replace(seen[0], update=seen[0].update.with_vector(mean), cohort=(0, 1), num_examples=6), batch

    return aggregated


@pytest.mark.slow
@pytest.mark.parametrize("examples", [1, 2, 6])
def test_a_batch_is_exact_with_its_labels_and_proved_through_the_float32_delta(wide, observe, examples):
    for seed in range(3):
        batch = boxes(examples, seed)
        guess = reconstruct(observe(wide, batch))
        assert worst(guess, batch) < 1e-4
        assert torch.equal(guess.labels[match(guess.inputs, batch)], batch.labels)
        assert "gradient residual" in guess.certificate
        assert f"of {examples} examples" in guess.note


@pytest.mark.slow
def test_the_order_of_the_batch_says_nothing(wide, observe):
    batch = boxes(5)
    one, two = (reconstruct(observe(wide, each)) for each in (batch, batch[torch.tensor([3, 0, 4, 1, 2])]))
    assert (matched(one.inputs, Batch(two.inputs, two.labels)) - two.inputs).abs().max() < 1e-4


@pytest.mark.slow
def test_the_length_of_the_gradient_says_nothing(wide, observe):
    batch = boxes(5)
    observation = observe(wide, batch)
    unknown = replace(observation, training=observation.training.hiding(("learning_rate",)))
    assert worst(reconstruct(unknown), batch) < 1e-4


@pytest.mark.slow
def test_two_clients_are_one_batch(wide, of_two_clients):
    for seed in range(3):
        observation, batch = of_two_clients(wide, seed)
        guess = reconstruct(observation)
        assert worst(guess, batch) < 1e-4
        assert guess.labels[match(guess.inputs, batch)].tolist() == batch.labels.tolist()
        assert "rank 6" in guess.certificate


def test_without_a_proof_images_are_guessed_and_it_says_so(deep, of_two_clients):
    for seed in range(3):
        observation, batch = of_two_clients(deep, seed)
        guess = reconstruct(observation)
        assert psnr(guess.inputs, batch) > 30
        assert guess.certificate is None
        assert "0 are unmixed by proof, 6 by independence" in guess.note


@pytest.mark.slow
@pytest.mark.parametrize("local", [{"batch_size": 6, "epochs": 3}, {"batch_size": 3, "batches": 2}])
def test_several_steps_leave_images_that_are_near_but_not_proved(wide, observe, local):
    for seed in range(2):
        batch = boxes(6, seed)
        guess = reconstruct(observe(wide, batch, LocalTraining(**local)))
        assert psnr(guess.inputs, batch) > 30
        assert guess.certificate is None


@pytest.mark.slow
def test_behind_a_convolution_images_are_found_by_descent(behind_convolution, observe):
    for seed in range(2):
        batch = boxes(4, seed)
        observation = observe(behind_convolution, batch)
        guess = reconstruct(observation, steps=200)
        assert psnr(guess.inputs, batch) > 10 + psnr(torch.full_like(batch.inputs, 0.5), batch)
        assert torch.equal(guess.labels[match(guess.inputs, batch)], batch.labels)
        assert "features unexplained" in guess.note
        assert guess.certificate is None
        assert not guess.certifiable


@pytest.mark.slow
def test_behind_a_convolution_features_are_unmixed_without_a_proof_too(observe):
    with seeded("deep convolution"):
        front = (nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU())
        task = Task("deep-convolution", network(*front, features=512, hidden=(200, 30)), SHAPE, 4)
    for seed in range(2):
        batch = boxes(3, seed)
        guess = reconstruct(observe(task, batch), steps=200)
        assert "0 are unmixed by proof, 3 by independence" in guess.note
        assert psnr(guess.inputs, batch) > 5 + psnr(torch.full_like(batch.inputs, 0.5), batch)


def test_more_examples_than_neurons_get_a_reason(observe):
    with seeded("narrow"):
        task = Task("narrow", network(hidden=(8,)), SHAPE, 4)
    guess = reconstruct(observe(task, boxes(10)))
    assert guess.inputs is None
    assert "to unmix 10 examples there must be as many" in guess.failure


def test_more_examples_than_pixels_get_a_reason(observe, batch_of):
    with seeded("few pixels"):
        task = Task("few-pixels", network(features=36), (1, 6, 6), 4)
    guess = reconstruct(observe(task, batch_of(task, 40)))
    assert guess.inputs is None
    assert "36 inputs with a gradient, and 40 examples" in guess.failure


def test_an_image_that_is_there_twice_is_found_once(wide, observe):
    batch = boxes(3)
    twice = Batch(torch.cat([batch.inputs, batch.inputs[:1]]), torch.cat([batch.labels, batch.labels[:1]]))
    guess = reconstruct(observe(wide, twice))
    assert guess.inputs.shape == batch.inputs.shape
    assert worst(guess, batch) < 1e-3


def test_under_a_defense_nothing_is_proved(wide, observe, with_update):
    observation = observe(wide, boxes(3))
    vector = observation.update.vector()
    noise = 1e-3 * torch.randn(vector.shape, generator=generator("noise"))
    chain = Chain.build(({"use": "gaussian-noise", "std": 1e-3},))
    guess = reconstruct(replace(with_update(observation, vector + noise), defense=chain))
    assert guess.certificate is None
    assert not guess.certifiable


def test_networks_without_a_usable_layer_get_a_reason(observe):
    tokens = nn.Sequential(nn.Flatten(2), nn.Linear(256, 40), nn.ReLU(), nn.Flatten(), nn.Linear(40, 4))
    no_bias = nn.Sequential(nn.Flatten(), nn.Linear(256, 40, bias=False), nn.ReLU(), nn.Linear(40, 4))
    none = nn.Sequential(nn.Conv2d(1, 4, 16), nn.Flatten())
    for layers, reason in ((tokens, "needs one vector"), (no_bias, "has no bias"), (none, "has no linear layer")):
        guess = reconstruct(observe(Task("unusable", layers, SHAPE, 4), boxes(2)))
        assert guess.inputs is None
        assert reason in guess.failure


class Borrowed(nn.Linear):
    """A layer that others take the weights of: it is never run, as attention's last in torch."""

    def forward(self, inputs):
        raise AssertionError("nobody runs it")


class Borrowing(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.head = Borrowed(256, 20), nn.Linear(20, 4)

    def forward(self, images):
        return self.head(nn.functional.linear(images.flatten(1), self.inner.weight, self.inner.bias).relu())


def test_a_layer_that_is_used_without_being_run_is_refused(observe):
    with seeded("borrowing"):
        task = Task("borrowing", Borrowing(), SHAPE, 4)
    guess = attacks.build("cocktail-party", {}).run(observe(task, boxes(2)), generator(0))
    assert "'inner.weight' of 'borrowing' is used by another module without being run" in guess.failure
