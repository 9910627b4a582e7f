"""Augmentation as a defense, and the attacker who knows its policy."""

import pytest
import torch
import torchvision.transforms.v2.functional as transforms
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.data.splits import load
from fedleak.defenses.parts.transformations import ENHANCED, MOVES, SEARCHED, UNSIGNED
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.randomness import generator
from fedleak.tasks import task_of

TASK = task_of("photos-convnet")


def photos(count: int) -> Batch:
    return load(TASK.name).clients[torch.arange(count)]


def augmented(policy: str, examples: Batch, seed: int = 0) -> Tensor:
    return defenses.build("ats", {"policy": policy}).examples(TASK, examples, generator(seed)).inputs


def error(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean())


@pytest.mark.parametrize("number", range(len(SEARCHED)), ids=lambda number: SEARCHED[number])
def test_images_keep_their_shape_and_range(number: int) -> None:
    for examples in (photos(3), Batch(photos(3).inputs[:, :1], photos(3).labels)):
        images = augmented(str(number), examples)
        assert images.shape == examples.inputs.shape
        assert images.min() >= 0
        assert images.max() <= 1


@pytest.mark.parametrize("number", range(len(SEARCHED)), ids=lambda number: SEARCHED[number])
def test_each_can_be_fitted_and_what_it_leaves_in_the_picture_is_known(number: int) -> None:
    """Also after another one: a derivative goes through both."""
    examples, step = photos(2), SEARCHED[number]
    chain = Chain((defenses.build("ats", {"policy": f"{number}-3"}),))
    inputs = examples.inputs.clone().requires_grad_()
    trained = chain.examples(TASK, Batch(inputs, examples.labels), (1,)).inputs
    (slopes,) = torch.autograd.grad(trained.sum(), inputs)
    assert torch.isfinite(slopes).all()
    seen = Chain((defenses.build("ats", {"policy": str(number)}),)).seen(examples, (1,))
    moved = step.partition("-")[0] in MOVES
    assert 0.5 < seen.float().mean() < 1 if moved else seen.all()


@pytest.mark.parametrize("strength", [0.5, 1.4])
def test_sharpness_and_contrast_are_torchvisions(strength: float) -> None:
    images = torch.cat([photos(3).inputs, torch.full((1, 3, 32, 32), 0.3)])
    torch.testing.assert_close(ENHANCED["sharpness"](images, strength), transforms.adjust_sharpness(images, strength))
    torch.testing.assert_close(UNSIGNED["autocontrast"](images, 0), transforms.autocontrast(images))


def test_there_are_fifty_transformations() -> None:
    assert len(SEARCHED) == 50


def test_invert_is_the_negative_and_labels_stay() -> None:
    examples = photos(2)
    torch.testing.assert_close(augmented("0", examples), 1 - examples.inputs)
    assert torch.equal(defenses.build("ats", {}).examples(TASK, examples, generator(0)).labels, examples.labels)


def test_a_translation_moves_whole_pixels_either_way() -> None:
    examples = Batch(torch.ones(20, 3, 32, 32), torch.zeros(20, dtype=torch.int64))
    columns = augmented("3", examples)[:, 0, 16]
    shift = round(32 * 150 / 331)
    assert (columns.sum(1) == 32 - shift).all()
    assert 0 < columns[:, 0].sum() < 20


def test_each_example_takes_one_of_the_sequences() -> None:
    examples = Batch(torch.full((40, 3, 8, 8), 0.25), torch.zeros(40, dtype=torch.int64))
    inverted = augmented("0+28", examples)[:, 0, 0, 0] > 0.5
    assert 5 < int(inverted.sum()) < 35


@pytest.mark.slow
def test_the_images_before_are_fitted_from_those_after() -> None:
    examples = photos(6)
    defense = defenses.build("ats", {"policy": "0-21"})
    after = defense.examples(TASK, examples, generator(1)).inputs
    assert error(defense.invert_examples(after), examples.inputs) < 0.25 * error(after, examples.inputs)


def test_a_policy_of_unknown_transformations_is_refused() -> None:
    for policy in ("3-50", "", "3-1+", "a"):
        with pytest.raises(ConfigError, match="numbers from 0 to 49"):
            defenses.build("ats", {"policy": policy})


@pytest.mark.slow
def test_what_is_in_the_picture_is_recovered_whichever_way_the_draws_went() -> None:
    """From the encoded image itself: all but what was moved out of the picture comes back."""
    ats, seeing = defenses.build("ats", {}), Chain((defenses.build("ats", {}),))
    images = [photos(6)[torch.tensor([seed])] for seed in range(4)]
    trained = [seeing.examples(TASK, image, (seed,)).inputs for seed, image in enumerate(images)]
    for seed, (image, found) in enumerate(zip(images, ats.invert_examples(torch.cat(trained)), strict=True)):
        seen = seeing.seen(image, (seed,))
        assert 0.05 < seen.float().mean() < 0.6
        assert (found[None] - image.inputs)[seen].square().mean() < 1e-3


@pytest.mark.parametrize("mixing", ["mixup", "instahide"])
def test_what_is_in_a_mixture_is_seen_whichever_of_the_mixtures_is_moved(mixing: str) -> None:
    """No pixel that has a say in what is trained on is left out; what is moved before the mixing stays unseen."""
    ats, mix, examples = defenses.build("ats", {}), defenses.build(mixing, {}), photos(6)
    moved = Chain((ats,)).seen(examples, (0,))
    assert not moved.all()
    assert Chain((mix, ats)).seen(examples, (0,)).all()
    assert torch.equal(Chain((ats, mix)).seen(examples, (0,)), moved)
    assert torch.equal(Chain((ats, mix, ats)).seen(examples, (0,)), moved)


def test_a_chain_that_leaves_images_alone_sees_all_of_them() -> None:
    assert Chain((defenses.build("top-k", {"fraction": 0.1}),)).seen(photos(2), (0,)).all()
