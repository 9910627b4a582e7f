"""Each label rule is exact where its paper says so, and says in a sentence where it does not apply."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.api import attack, capture
from fedleak.attacks.label_inference.llg import by_magnitude
from fedleak.attacks.parts.classifier_head.label_rule import LabelRule
from fedleak.attacks.parts.classifier_head.outputs import never_negative
from fedleak.attacks.parts.classifier_head.posteriors import solve_counts
from fedleak.contracts.attack import attacks
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded

ONE_EXAMPLE = ["bias-sign", "idlg-rows", "gradinversion-min", "llg", "bias-corrected", "rlg", "soft-label", "ilrg"]
COUNTING = ["llg-plus", "geng-counts", "dimitrov-counts", "ilrg", "rlu", "auxiliary-posterior", "batch-counts"]
RULES = sorted(cls.name for cls in attacks if issubclass(cls, LabelRule))


@pytest.fixture
def signed_task():
    """A perceptron whose last layer sees features of both signs."""
    with seeded("signed task"):
        layers = (nn.Flatten(), nn.Linear(36, 24), nn.Tanh(), nn.Linear(24, 4))
        return Task("tiny-tanh", nn.Sequential(*layers), (1, 6, 6), 4)


def guess_of(rule, observation):
    return attacks.build(rule, {}).run(observation, generator(0))


@pytest.mark.slow
@pytest.mark.parametrize("rule", ONE_EXAMPLE)
@pytest.mark.parametrize("network", ["untrained", "trained"])
def test_of_one_example_the_label_is_exact(rule, network, linear_task, trained, observe, batch_of):
    for seed in range(6):
        task, batch = (
            (trained[0], trained[1](1, seed)) if network == "trained" else (linear_task, batch_of(linear_task, 1, seed))
        )
        assert guess_of(rule, observe(task, batch)).labels.tolist() == batch.labels.tolist()


@pytest.mark.parametrize("rule", ["bias-sign", "idlg-rows", "bias-corrected", "rlg", "soft-label", "ilrg"])
def test_of_one_example_the_label_is_exact_whatever_the_signs_of_features(rule, signed_task, observe, batch_of):
    for seed in range(6):
        batch = batch_of(signed_task, 1, seed)
        assert guess_of(rule, observe(signed_task, batch)).labels.tolist() == batch.labels.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("rule", COUNTING)
def test_of_an_untrained_network_counts_are_exact_where_examples_fare_alike(rule, smooth_task, observe, batch_of):
    for seed in range(4):
        batch = batch_of(smooth_task, 16, seed)
        observation = observe(smooth_task, batch).with_auxiliary(batch_of(smooth_task, 40, 99))
        assert guess_of(rule, observation).labels.tolist() == batch.labels.sort().values.tolist()


def test_the_lowest_entries_give_no_false_positive(trained, observe):
    task, batch_from = trained
    for seed in range(8):
        batch = batch_from(6, seed)
        named = guess_of("gradinversion-min", observe(task, batch)).labels.tolist()
        assert len(named) == len(set(named)) > 0
        assert set(named) <= set(batch.labels.tolist())


@pytest.mark.slow
def test_linear_programs_find_all_of_a_few_distinct_labels(observe, batch_of):
    with seeded("many classes"):
        layers = (nn.Flatten(), nn.Linear(36, 48), nn.ReLU(), nn.Linear(48, 30))
        task = Task("many", nn.Sequential(*layers), (1, 6, 6), 30)
    for seed in range(5):
        batch = batch_of(task, 5, seed)
        labels = torch.randperm(30, generator=generator("labels", seed))[:5]
        named = guess_of("rlg", observe(task, Batch(batch.inputs, labels))).labels
        assert named.tolist() == labels.sort().values.tolist()


def test_dimitrov_is_geng_for_one_step(smooth_task, observe, batch_of):
    observation = observe(smooth_task, batch_of(smooth_task, 7))
    assert (
        guess_of("dimitrov-counts", observation).labels.tolist() == guess_of("geng-counts", observation).labels.tolist()
    )


def test_rlu_is_the_confusion_rule_at_every_step(smooth_task, observe, batch_of):
    training = LocalTraining(batch_size=4, batches=2, epochs=2, learning_rate=0.05)
    batch = batch_of(smooth_task, 8)
    observation = observe(smooth_task, batch, training).with_auxiliary(batch_of(smooth_task, 40, 99))
    found = torch.bincount(guess_of("rlu", observation).labels, minlength=4)
    assert torch.minimum(found, torch.bincount(batch.labels, minlength=4)).sum() >= 7


def test_counts_solve_a_known_confusion_exactly():
    confusion = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.1, 0.6]], dtype=torch.float64)
    counts = torch.tensor([5.0, 0.0, 3.0], dtype=torch.float64)
    bias = (counts @ confusion - counts) / 8
    assert torch.allclose(solve_counts(confusion, bias, 8), counts, atol=1e-4)


def test_an_example_that_is_named_takes_its_impact_with_it():
    signals = torch.tensor([-3.0, -0.9, 0.2, 0.3])
    assert by_magnitude(signals, -1.0, 4).tolist() == [3, 1, 0, 0]
    assert by_magnitude(signals, -1.0, 1).tolist() == [1, 0, 0, 0]
    assert by_magnitude(signals, -1.0, 4, torch.tensor([0.0, 0.0, 3.0, 0.0])).tolist() == [2, 1, 1, 0]


def test_a_smoothed_label_is_seen_to_be_one(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    observation = observe(linear_task, batch)
    soft = torch.full((1, 4), 0.1 / 3)
    soft[0, batch.labels] = 0.9
    gradient = linear_task.gradients(observation.before, batch.inputs, soft)
    update = replace(observation.update, tensors={name: -0.1 * value for name, value in gradient.items()})
    guess = guess_of("soft-label", replace(observation, update=update))
    assert guess.labels.tolist() == batch.labels.tolist()
    assert "smoothed: 0.90 on it, 0.033" in guess.note
    assert "hard" in guess_of("soft-label", observation).note


def test_the_sign_of_features_is_known(linear_task, smooth_task, signed_task, observe, batch_of):
    found = [never_negative(observe(task, batch_of(task, 1))) for task in (linear_task, smooth_task, signed_task)]
    assert found == [True, True, False]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("llg", "never negative"),
        ("llg-star", "never negative"),
        ("geng-counts", "never negative"),
        ("idlg-rows", "holds for one example, and 5"),
        ("soft-label", "holds for one example, and 5"),
        ("rlg", "rank 3 of 3"),
        ("rlu", "public examples"),
        ("llg-plus", "public examples"),
        ("auxiliary-posterior", "public examples"),
        ("learned-counts", "public examples"),
    ],
)
def test_a_rule_says_why_it_does_not_apply(rule, words, signed_task, observe, batch_of):
    failure = guess_of(rule, observe(signed_task, batch_of(signed_task, 5))).failure
    assert words in failure
    assert "try" in failure


@pytest.mark.parametrize("rule", ["bias-corrected", "ilrg"])
def test_a_rule_that_reads_the_bias_says_that_there_is_none(rule, normalized_task, observe, batch_of):
    assert "no bias" in guess_of(rule, observe(normalized_task, batch_of(normalized_task, 3))).failure


@pytest.mark.parametrize("rule", ["ilrg", "geng-counts", "rlu", "llg-star"])
def test_a_rule_that_needs_the_length_says_that_it_is_unknown(rule, smooth_task, observe, batch_of):
    observation = observe(smooth_task, batch_of(smooth_task, 3)).with_auxiliary(batch_of(smooth_task, 8))
    blind = replace(observation, training=observation.training.hiding(("learning_rate",)))
    assert "length" in guess_of(rule, blind).failure


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_says_that_there_is_no_linear_head(rule, observe, batch_of):
    with seeded("no head"):
        layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        task = Task("no-head", nn.Sequential(*layers), (1, 6, 6), 4)
    assert "does not end in a linear layer" in guess_of(rule, observe(task, batch_of(task, 2))).failure


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fixture", ["linear_task", "normalized_task"])
def test_a_rule_names_at_most_one_class_an_example_in_ascending_order(rule, fixture, request, observe, batch_of):
    task = request.getfixturevalue(fixture)
    observation = observe(task, batch_of(task, 3)).with_auxiliary(batch_of(task, 24, 9))
    guess = guess_of(rule, observation)
    assert guess.failure or 1 <= len(guess.labels) <= 3
    if guess.labels is not None:
        assert guess.labels.tolist() == guess.labels.sort().values.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["digits-mlp", "digits-lenet"])
def test_a_label_is_read_off_what_is_orthogonal_to_its_gradient(task):
    hits = 0
    for seed in range(3):
        for captured in capture(task, clients=4, batch_size=1, seed=seed, defense=[{"use": "censor"}]):
            hits += int(attack(captured, "auto-labels").labels.tolist() == captured.truth.labels.tolist())
    assert hits >= 11  # of 12; the sign rule reads none


def test_the_orthogonality_rule_is_for_nothing_else(linear_task, observe, batch_of):
    refused = guess_of("orthogonal-rows", observe(linear_task, batch_of(linear_task, 1, 0)))
    assert "auxiliary" in refused.failure or "orthogonal" in refused.failure
