"""Simulated local training: it is the client's own at the truth, whatever stands for the order of its batches."""

import math
from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.engine.distances import squared
from fedleak.attacks.parts.engine.gradient_match import Dummy, GradientMatch, pixels
from fedleak.attacks.parts.engine.objective import by_autograd, by_function
from fedleak.attacks.parts.engine.regularizers import same_images
from fedleak.attacks.parts.local_training.assumptions import counted_steps, possible_trainings
from fedleak.attacks.parts.local_training.unrolled import (
    LOG_RATE,
    MEMBERS,
    fixed_order,
    images_of_each_epoch,
    learned_members,
    members,
    merge,
    unrolled,
)
from fedleak.contracts.attack import attacks
from fedleak.learning.training import LocalTraining, batch_order
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator

TRAINING = LocalTraining(batch_size=2, batches=2, epochs=3, learning_rate=0.3)
HEAVY = replace(TRAINING, momentum=0.9, weight_decay=0.01)
UNEVEN = replace(TRAINING, batch_size=3)


def order_of(examples, training):
    """The order that `observe` trains in."""
    return list(batch_order(examples, training, generator("test", "order")))


def true_plan(examples, training):
    return lambda dummy: [(dummy.inputs[part], dummy.labels[part], None) for (part,) in order_of(examples, training)]


def match_of(observation, labels, plan, training=None):
    simulate = unrolled(observation, training or observation.training, plan)
    return GradientMatch.of(observation, squared, pixels(labels), simulate=simulate, dtype=torch.float64)


def loss_of(match, inputs, **others):
    return match.loss({"inputs": inputs.double(), **others}, by_autograd).item()


@pytest.mark.parametrize("training", [TRAINING, HEAVY, UNEVEN, replace(HEAVY, epochs=1, batch_size=4, batches=1)])
def test_the_truth_in_the_true_order_ends_where_the_client_did(training, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 4)
    match = match_of(observe(smooth_task, batch, training), batch.labels, true_plan(4, training))
    assert loss_of(match, batch.inputs) < 1e-8
    assert loss_of(match, batch.inputs.flip(0)) > 1e-6


@pytest.mark.parametrize("hidden", ["learning_rate", "epochs"])
def test_what_is_unknown_to_the_update_can_be_told_by_the_simulation(hidden, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 4)
    seen = observe(smooth_task, batch, HEAVY)
    blind = replace(seen, training=HEAVY.hiding((hidden,)))
    rate = replace(HEAVY, learning_rate=None)
    match = match_of(blind, batch.labels, true_plan(4, HEAVY), rate)
    right, wrong = (torch.tensor(math.log(value), dtype=torch.float64) for value in (0.3, 0.2))
    assert loss_of(match, batch.inputs, **{LOG_RATE: right}) < 1e-8
    assert loss_of(match, batch.inputs, **{LOG_RATE: wrong}) > 1e-3


def test_a_mean_gradient_is_matched_as_one(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 4)
    seen = observe(smooth_task, batch, HEAVY)
    mean = replace(seen, update=Update(seen.gradient(), UpdateKind.GRADIENT))
    assert loss_of(match_of(mean, batch.labels, true_plan(4, HEAVY)), batch.inputs) < 1e-8


def test_sure_members_are_the_true_order_and_equal_ones_the_whole_batch(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 4)
    seen = observe(smooth_task, batch, TRAINING)
    match = match_of(seen, batch.labels, learned_members())
    sure = torch.zeros(3, 4, 2, dtype=torch.float64)
    for step, (part,) in enumerate(order_of(4, TRAINING)):
        sure[step // 2, part, step % 2] = 50.0
    assert loss_of(match, batch.inputs, **{MEMBERS: sure}) < 1e-8
    whole = match_of(seen, batch.labels, fixed_order(LocalTraining(batch_size=4, epochs=6)))
    equal = loss_of(match, batch.inputs, **{MEMBERS: torch.zeros_like(sure)})
    assert equal == pytest.approx(loss_of(whole, batch.inputs))
    assert equal > 1e-6


AS_PEOPLE_TRAIN = (
    {"optimizer": "adamw", "weight_decay": 0.01, "learning_rate": 1e-2, "epsilon": 10.0},
    {"momentum": 0.9, "nesterov": True, "gradient_clipping": 0.05, "schedule": "CosineAnnealingLR"},
    {"accumulation": 2, "proximal": 0.5, "weight_decay": 0.1},
)


@pytest.mark.parametrize("way", AS_PEOPLE_TRAIN, ids=str)
def test_the_simulation_is_the_client_s_whatever_its_optimizer(way, smooth_task, observe, batch_of):
    training, batch = replace(TRAINING, **way), batch_of(smooth_task, 4)
    seen = observe(smooth_task, batch, training)

    def in_the_true_order(dummy):
        for parts in order_of(4, training):
            yield from ((dummy.inputs[part], dummy.labels[part], None) for part in parts)

    # Adam's signs are soft in a simulation: with an epsilon that is far above them they are as the client's.
    assert loss_of(match_of(seen, batch.labels, in_the_true_order), batch.inputs) < 1e-6


def test_members_start_near_the_sizes_of_the_batches():
    start = members(replace(TRAINING, batch_size=3), 4, generator(0))
    assert start.shape == (3, 4, 2)
    assert start.softmax(2)[..., 0].mean().item() == pytest.approx(0.75, abs=0.05)


def test_images_of_their_own_can_be_those_of_any_order(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 4)
    seen = observe(smooth_task, batch, UNEVEN)
    order = torch.cat([part for (part,) in order_of(4, UNEVEN)])
    match = match_of(seen, batch.labels[order], images_of_each_epoch(UNEVEN))
    assert loss_of(match, batch.inputs[order]) < 1e-8


@pytest.mark.parametrize("plan", [fixed_order(TRAINING), learned_members()])
def test_both_ways_to_differentiate_agree(plan, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 4)
    match = match_of(observe(smooth_task, batch, HEAVY), batch.labels, plan)
    point = {"inputs": batch.inputs.flip(0).double(), MEMBERS: torch.zeros(3, 4, 2, dtype=torch.float64)}
    one, two = (match.loss(point, gradient).item() for gradient in (by_autograd, by_function))
    assert one == pytest.approx(two, rel=1e-9)


def test_the_epoch_prior_does_not_see_order_but_other_images(batch_of, smooth_task):
    inputs = batch_of(smooth_task, 4).inputs
    prior = same_images(3)
    shuffled = torch.cat([inputs[torch.randperm(4, generator=generator(epoch))] for epoch in range(3)])
    apart = torch.cat([inputs, inputs, inputs * 0.5])

    def at(images):
        return prior(Dummy(images, torch.zeros(len(images)), {})).item()

    assert at(shuffled) == pytest.approx(0.0, abs=1e-12)
    means = apart.reshape(3, 4, *inputs.shape[1:]).mean(1)
    pairs = (means[:, None] - means[None]).square().mean().item()
    assert at(apart) == pytest.approx(pairs)
    assert pairs > 0.01


def test_merging_undoes_permutations(batch_of, smooth_task):
    batch = batch_of(smooth_task, 5)
    orders = [torch.randperm(5, generator=generator(epoch)) for epoch in range(3)]
    stacked = torch.cat([batch.inputs[order] for order in orders])
    merged = merge(stacked, torch.cat([batch.labels[order] for order in orders]), 3)
    assert torch.allclose(merged.inputs, batch.inputs[orders[0]])
    assert torch.equal(merged.labels, batch.labels[orders[0]])


def test_merging_goes_by_labels_first():
    first, second = torch.zeros(2, 1, 1, 1), torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    first[1] = 1.0
    merged = merge(torch.cat([first, second]), torch.tensor([0, 1, 1, 0]), 2)
    assert merged.inputs.flatten().tolist() == [0.5, 0.5]


def test_possible_trainings_follow_from_what_is_known(smooth_task, observe, batch_of):
    seen = observe(smooth_task, batch_of(smooth_task, 4), TRAINING)

    def possible(*hidden, **others):
        one = replace(seen, training=seen.training.hiding(hidden), **others)
        return [(t.batch_size, t.batches, t.epochs) for t in possible_trainings(one)]

    assert possible() == [(2, 2, 3)]
    assert possible("batches") == [(2, 2, 3)]
    assert possible("batch_size") == [(2, 2, 3)]
    assert {epochs for *_, epochs in possible("epochs")} == {1, 2, 5, 10}
    assert possible(cohort=(3, 5)) == [(4, 1, 3)]
    assert possible_trainings(replace(seen, training=seen.training.hiding(("momentum",))))[0].momentum == 0.0
    drawn = replace(seen, training=replace(TRAINING, sampling_rate=0.2), num_examples=6)  # in six steps
    [one] = possible_trainings(drawn)
    assert (one.batch_size, one.batches, one.epochs, one.sampling_rate) == (2, 3, 2, 0.0)


def test_batch_norm_counts_the_steps(normalized_task, observe, batch_of):
    training = replace(TRAINING, epochs=4)
    seen = observe(normalized_task, batch_of(normalized_task, 4), training)
    assert counted_steps(seen) == 8
    blind = replace(seen, training=training.hiding(("epochs",)))
    assert [t.epochs for t in possible_trainings(blind)] == [4]
    blinder = replace(seen, training=training.hiding(("epochs", "batches", "batch_size")))
    assert [(t.batches, t.epochs) for t in possible_trainings(blinder)] == [(1, 8), (2, 4), (4, 2)]
    assert counted_steps(replace(seen, buffers_after=None)) is None


def test_many_steps_are_declined_in_words(smooth_task, observe, batch_of):
    seen = observe(smooth_task, batch_of(smooth_task, 4), TRAINING)
    guess = attacks.build("fedavg-inversion", {"most_local_steps": 5}).run(seen, generator(0))
    assert guess.failure is not None
    assert "surrogate-model" in guess.failure


@pytest.mark.slow
def test_batch_norm_and_dropout_are_simulated_on_images_of_each_epoch(normalized_task, observe, batch_of):
    seen = observe(normalized_task, batch_of(normalized_task, 5), UNEVEN)
    for hidden in ((), ("learning_rate",), ("mode", "momentum")):
        one = replace(seen, training=seen.training.hiding(hidden))
        guess = attacks.build("fedavg-inversion", {"steps": 2, "restarts": 2}).run(one, generator(0))
        assert guess.failure is None
        assert guess.inputs.shape == (5, 1, 6, 6)
        assert len(guess.labels) == 5


def test_attempts_can_advance_together(smooth_task, observe, batch_of):
    seen = observe(smooth_task, batch_of(smooth_task, 5), UNEVEN)
    blind = replace(seen, training=seen.training.hiding(("learning_rate",)))
    guess = attacks.build("fedavg-inversion", {"steps": 2, "restarts": 4}).run(blind, generator(0))
    assert guess.inputs.shape == (5, 1, 6, 6)
    assert "was learned" in guess.note


@pytest.fixture
def walked(linear_task, observe, batch_of):
    """Four steps of one image each, and what was seen of them."""
    batch = replace(batch_of(linear_task, 2), labels=torch.tensor([0, 2]))
    training = LocalTraining(batch_size=1, batches=2, epochs=2, learning_rate=0.3)
    return batch, observe(linear_task, batch, training)


def guess_of(observation, name, **options):
    attack = attacks.build(name, {"steps": 100, "total_variation": 0.0, **options})
    return attack.run(observation, generator(0))


def error(guess, batch):
    """Mean squared error in the better of the two orders."""
    return min((guess.inputs[order] - batch.inputs).square().mean().item() for order in ([0, 1], [1, 0]))


@pytest.mark.slow
@pytest.mark.parametrize(("order", "share"), [("learned", 0.3), ("separate", 0.7), ("fixed", 0.9)])
def test_it_gets_more_than_one_step_does(order, share, walked):
    batch, seen = walked
    plain = guess_of(seen, "inverting-gradients")
    assert error(guess_of(seen, "fedavg-inversion", order=order), batch) < share * error(plain, batch)


@pytest.mark.slow
def test_an_unknown_rate_is_learned_and_told(walked):
    batch, seen = walked
    blind = replace(seen, training=seen.training.hiding(("learning_rate", "momentum")))
    guess = guess_of(blind, "fedavg-inversion")
    assert guess.note is not None
    assert "no momentum was assumed" in guess.note
    assert float(guess.note.split("learning rate ")[1].split()[0]) == pytest.approx(0.3, rel=0.2)
    assert error(guess, batch) < 0.3 * error(guess_of(seen, "inverting-gradients"), batch)


@pytest.mark.slow
def test_unknown_epochs_are_searched_and_told(walked):
    _, seen = walked
    blind = replace(seen, training=seen.training.hiding(("epochs",)))
    assert "2 epochs of 2 batches explain the update best" in guess_of(blind, "fedavg-inversion").note
