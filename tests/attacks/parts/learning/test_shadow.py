"""Updates of public batches, as the server would see them."""

from dataclasses import replace

import torch

from fedleak.attacks.parts.learning.shadow import draw_batches, shadow_update
from fedleak.contracts.chain import Chain
from fedleak.defenses.gaussian_noise import GaussianNoise
from fedleak.defenses.top_k import TopK
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator


def test_the_shadow_of_the_true_batch_is_the_observed_update(linear_task, observe, batch_of):
    for training in (LocalTraining(batch_size=3), LocalTraining(batch_size=3, epochs=4, momentum=0.5)):
        batch = batch_of(linear_task, 3)
        observation = observe(linear_task, batch, training)
        shadow = shadow_update(observation, batch, generator(0))
        assert shadow.kind is UpdateKind.DELTA
        assert torch.allclose(shadow.vector(), observation.update.vector(), atol=1e-7)


def test_a_gradient_has_a_gradient_as_its_shadow(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    seen = observe(smooth_task, batch)
    gradient = smooth_task.gradients(seen.before, batch.inputs, batch.labels)
    shadow = shadow_update(replace(seen, update=Update(gradient, UpdateKind.GRADIENT)), batch, generator(0))
    assert shadow.kind is UpdateKind.GRADIENT
    assert torch.equal(shadow.vector(), torch.cat([value.reshape(-1) for value in gradient.values()]))


def test_the_network_s_dropout_follows_the_adversary_s_dice(normalized_task, observe, batch_of):
    batch = batch_of(normalized_task, 3)
    delta = observe(normalized_task, batch)
    for seen in (delta, replace(delta, update=Update(delta.update.tensors, UpdateKind.GRADIENT))):
        one, same, other = (shadow_update(seen, batch, generator(dice)).vector() for dice in (0, 0, 1))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)


def test_a_shadow_is_defended_with_the_adversary_s_own_dice(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 2)
    sparse = replace(observe(linear_task, batch), defense=Chain((TopK(fraction=0.1),)))
    entries = sparse.update.vector().numel()
    assert int(shadow_update(sparse, batch, generator(0)).vector().count_nonzero()) <= -(-entries // 10)
    noisy = replace(sparse, defense=Chain((GaussianNoise(std=0.1),)))
    one, same, other = (shadow_update(noisy, batch, generator(dice)).vector() for dice in (0, 0, 1))
    assert torch.equal(one, same)
    assert 0.09 < float((one - other).std()) / 2**0.5 < 0.11


def test_a_cohort_s_shadow_is_the_mean_over_its_clients(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 5)
    observation = replace(observe(linear_task, batch, LocalTraining(batch_size=5)), cohort=(0, 1))
    first, second = torch.arange(5).tensor_split(2)
    alone = replace(observation, cohort=(0,))
    parts = [shadow_update(alone, batch[part], generator(0)).vector() for part in (first, second)]
    whole = shadow_update(observation, batch, generator(0)).vector()
    assert torch.allclose(whole, (3 * parts[0] + 2 * parts[1]) / 5, atol=1e-7)


def test_unknown_training_counts_as_one_plain_step(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 4)
    seen = observe(linear_task, batch, LocalTraining(batch_size=4))
    hidden = replace(seen, training=seen.training.hiding(("batch_size", "epochs", "batches", "learning_rate", "mode")))
    shadow = shadow_update(hidden, batch, generator(0)).vector()
    assert torch.cosine_similarity(shadow, seen.update.vector(), dim=0) > 0.9999


def test_every_example_is_dealt_as_often(linear_task, batch_of):
    public = batch_of(linear_task, 12)
    batches = draw_batches(public, 4, 9, generator(0))
    rows = torch.cat([batch.inputs.flatten(1) for batch in batches])
    counts = [(rows == image.flatten()).all(1).sum() for image in public.inputs]
    assert [int(count) for count in counts] == [3] * 12
    assert all(len(batch) == 20 for batch in draw_batches(public, 20, 2, generator(0)))
