"""Augmentation by torchvision's transforms: each example by draws of its own, in range and in shape."""

import json

import pytest
import torch

from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.training import augmenting

BATCH = Batch(torch.rand(16, 3, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(16))


def facts(*transforms: dict[str, object]) -> LocalTraining:
    return LocalTraining(augmentation=tuple(json.dumps(one) for one in transforms))


def test_without_transforms_a_batch_is_left_alone() -> None:
    assert augmenting(LocalTraining(), (0,))(BATCH) is BATCH


def test_each_example_is_flipped_or_not_by_its_own_draw_and_each_step_anew() -> None:
    flip = facts({"name": "RandomHorizontalFlip", "p": 0.5})
    augmented = augmenting(flip, (3,))
    one, two = augmented(BATCH), augmented(BATCH)
    again = augmenting(flip, (3,))(BATCH)
    for image, given in zip(one.inputs, BATCH.inputs, strict=True):
        assert torch.equal(image, given) or torch.equal(image, given.flip(-1))
    flipped = [not torch.equal(image, given) for image, given in zip(one.inputs, BATCH.inputs, strict=True)]
    assert 0 < sum(flipped) < 16
    assert torch.equal(one.inputs, again.inputs)
    assert not torch.equal(one.inputs, two.inputs)
    assert torch.equal(one.labels, BATCH.labels)


def test_it_leaves_the_global_dice_alone_and_stays_in_range() -> None:
    state = torch.random.get_rng_state()
    jitter = facts({"name": "ColorJitter", "brightness": 0.9}, {"name": "RandomCrop", "size": 6, "padding": 2})
    moved = augmenting(jitter, (1,))(BATCH).inputs
    assert torch.equal(torch.random.get_rng_state(), state)
    assert moved.min() >= 0
    assert moved.max() <= 1


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (
            {"name": "RandomHorizontalflip"},
            "no transform called 'RandomHorizontalflip'; did you mean 'RandomHorizontalFlip'",
        ),
        ({"name": "RandomCrop"}, "augmentation.0: RandomCrop: .*size"),
        ({"name": "RandomCrop", "size": 4}, r"shape \(3, 6, 6\) as they came, got torch.float32 of shape \(3, 4, 4\)"),
        (
            {"name": "Normalize", "mean": [0.5], "std": [0.0]},
            r"Normalize on images of shape \(3, 6, 6\): std evaluated to zero",
        ),
    ],
)
def test_a_transform_that_cannot_be_is_refused_in_a_sentence(transform: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        augmenting(facts(transform), (0,))(BATCH)
