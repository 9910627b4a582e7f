"""Images that a network learned to read off updates."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.label_inference.batch_counts import BatchCounts
from fedleak.attacks.learned.lti import LTI, PLENTY, _starved
from fedleak.attacks.parts.learning.inverter import Pairs, Training, learn, unordered_error
from fedleak.attacks.parts.learning.shadow import draw_batches, mixed
from fedleak.attacks.parts.learning.update_features import BINS, Components, FeatureHash
from fedleak.contracts.chain import Chain
from fedleak.defenses.gaussian_noise import GaussianNoise
from fedleak.defenses.top_k import TopK
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

QUICK = LTI(shadows=300, epochs=15, hidden=64)


def stripes(examples, seed):
    """Images of two bars, one across and one down, of random place and brightness; the label is one place."""
    rng = generator("stripes", seed)
    places = torch.randint(4, (examples, 2), generator=rng)
    images = torch.zeros(examples, 1, 6, 6)
    for image, (row, column) in zip(images, places, strict=True):
        image[0, row : row + 3] += 0.5
        image[0, :, column : column + 3] += 0.5
    return Batch(images, places[:, 0])


def error(guess, batch):
    return float(unordered_error(guess.inputs.flatten(1)[None], batch.inputs.flatten(1)[None]))


def blind(public, batch):
    return float((public.inputs.mean(0) - batch.inputs).square().mean())


@pytest.mark.slow
@pytest.mark.parametrize("defense", [(), (GaussianNoise(std=1e-3),), (TopK(fraction=0.1),)], ids=repr)
def test_it_is_nearer_than_the_mean_public_image_through_any_defense(linear_task, observe, defense):
    public = stripes(200, "public")
    ratios = []
    for seed in range(2):
        batch = stripes(1, seed)
        seen = observe(linear_task, batch)
        chain = Chain(defense)
        update = chain.protect(seen.update, generator(seed))
        seen = replace(seen, update=update, defense=chain, auxiliary=public)
        guess = QUICK.run(seen, generator(seed))
        assert guess.labels.tolist() == batch.labels.tolist() or defense
        assert "public examples that it did not learn from" in guess.note
        ratios.append(error(guess, batch) / blind(public, batch))
    assert sum(ratios) / 2 < 0.9


@pytest.mark.slow
def test_an_unknown_rate_does_no_harm(linear_task, observe):
    public, batch = stripes(200, "public"), stripes(1, 0)
    seen = replace(observe(linear_task, batch), auxiliary=public)
    seen = replace(seen, training=replace(seen.training, learning_rate=None))
    longer = replace(seen, update=seen.update.with_vector(7 * seen.update.vector()))
    one, two = (QUICK.run(observation, generator(0)) for observation in (seen, longer))
    assert torch.allclose(one.inputs, two.inputs, atol=1e-4)
    assert error(one, batch) < 0.9 * blind(public, batch)


@pytest.mark.slow
def test_the_same_dice_give_the_same_guess(linear_task, observe):
    seen = replace(
        observe(linear_task, stripes(3, 0)), auxiliary=stripes(40, "public"), defense=Chain((GaussianNoise(std=1e-3),))
    )
    one, two = (LTI(shadows=40, epochs=2, hidden=8, labels=BatchCounts()).run(seen, generator(4)) for _ in range(2))
    assert torch.equal(one.inputs, two.inputs)
    assert one.mismatch == two.mismatch
    assert one.inputs.shape == (3, 1, 6, 6)


def test_without_public_data_or_under_masks_it_says_so(linear_task, observe):
    seen = observe(linear_task, stripes(2, 0))
    assert "needs public examples, at least 20, and there are 0" in QUICK.run(seen, generator(0)).failure
    masked = replace(seen, auxiliary=stripes(40, 1), masked=True)
    assert "under its masks" in QUICK.run(masked, generator(0)).failure


def test_a_network_that_cannot_run_on_the_batch_is_a_failure(normalized_task, observe, batch_of):
    seen = replace(observe(normalized_task, batch_of(normalized_task, 2)), auxiliary=stripes(40, 1))
    before = replace(
        seen.before, parameters={name: value * torch.inf for name, value in seen.before.parameters.items()}
    )
    assert "cannot be played through" in QUICK.run(replace(seen, before=before), generator(0)).failure


def test_the_error_of_a_batch_is_that_of_its_best_pairing():
    images = torch.rand(2, 3, 5, generator=generator(0))
    assert unordered_error(images[:, [2, 0, 1]], images) == 0
    assert unordered_error(images[:, [2, 0, 1]] + 0.5, images) == pytest.approx(0.25, abs=1e-6)


def test_the_best_epoch_on_held_out_pairs_counts():
    rng = generator("pairs")
    features, images = torch.randn(40, 3, generator=rng), torch.rand(40, 1, 4, generator=rng)
    known, unknown = Pairs(features[:20], images[:20]), Pairs(features[20:], images[20:])
    inverter = learn(known, unknown, Training(hidden=32, epochs=40, learning_rate=0.01), rng, (0, 1))
    again = unordered_error(inverter(unknown.features, 1), unknown.images)
    assert float(again) == pytest.approx(inverter.error)
    learned = unordered_error(inverter(known.features, 1), known.images)
    assert float(learned) > 1e-3  # the last epoch knows them by heart


def test_hashing_keeps_inner_products():
    rng = generator("hash")
    one, other = torch.randn(2, 5 * BINS, generator=rng).double()
    hashed = FeatureHash.of(5 * BINS, rng)
    near = one + 0.5 * other
    exact, short = torch.dot(one, near), torch.dot(hashed(one), hashed(near))
    assert abs(exact - short) < 4 * one.norm() * near.norm() / BINS**0.5
    assert torch.equal(FeatureHash.of(7, rng)(one[:7]), one[:7])


def test_components_keep_distances_until_they_are_whitened():
    vectors = torch.randn(30, 50, generator=generator(0)).double() * torch.logspace(0, -3, 50).double()
    components = Components.of(vectors)
    plain, white = components(vectors, 0.0), components(vectors, 1.0)
    scale = (vectors - vectors.mean(0)).square().sum().sqrt() / plain.square().sum().sqrt()
    assert torch.allclose(scale.float() * torch.cdist(plain, plain), torch.cdist(vectors, vectors).float(), atol=1e-3)
    assert torch.allclose(white.square().mean(0), torch.ones(white.shape[1]), atol=1e-3)
    assert float(plain.square().mean()) == pytest.approx(1.0, abs=1e-4)


def test_some_batches_are_mixed_and_stay_images(linear_task):
    batches = draw_batches(stripes(40, 0), 2, 20, generator(0))
    half = mixed(batches, 0.5, 4, generator(1))
    assert len(half) == 20
    assert all(one is other for one, other in zip(half[10:], batches[10:], strict=True))
    assert all(not torch.equal(one.inputs, other.inputs) for one, other in zip(half[:10], batches[:10], strict=True))
    assert all(float(batch.inputs.min()) >= 0 and float(batch.inputs.max()) <= 1 for batch in half)


@pytest.mark.slow
def test_it_says_that_it_was_starved_unless_it_had_as_much_as_it_needs(linear_task, observe):
    seen = replace(observe(linear_task, stripes(1, 0)), auxiliary=stripes(40, "public"))
    said = LTI(shadows=40, epochs=2, hidden=8).run(seen, generator(0)).diagnosis
    assert said.trouble == "starved"
    assert "40 public examples in 40 batches" in said.words
    assert _starved(PLENTY, PLENTY) is None
    assert _starved(PLENTY, PLENTY - 1) is not None
