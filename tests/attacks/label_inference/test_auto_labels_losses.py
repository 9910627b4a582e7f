"""Labels under other losses than cross-entropy: right, or refused in a sentence."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fedleak.contracts.attack import attacks
from fedleak.contracts.criterion import OwnLoss
from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch
from fedleak.learning.loss import Criterion, CrossEntropy, OneAgainstRest, SquaredError
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded

CLASSES = 5
WEIGHTS = (1.0, 2.0, 0.5, 1.0, 3.0)
LOSSES: tuple[Criterion, ...] = (
    CrossEntropy(class_weights=WEIGHTS),
    CrossEntropy(label_smoothing=0.3),
    CrossEntropy(class_weights=WEIGHTS, label_smoothing=0.1),
    OneAgainstRest(),
    SquaredError(),
    OwnLoss(address="m:focal", function=lambda outputs, labels: focal(outputs, labels)),
)


def focal(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The focal loss, as its users write it."""
    entropy = F.cross_entropy(outputs, labels, reduction="none")
    return ((1 - (-entropy).exp()) ** 2 * entropy).mean()


def task_of(criterion: Criterion, outputs: int = CLASSES) -> Task:
    with seeded("a task with another loss", criterion.words):
        layers = (nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, outputs))
        return Task("other", nn.Sequential(*layers), (1, 6, 6), 2 if outputs == 1 else CLASSES, criterion=criterion)


def batch(count: int, seed: int, classes: int = CLASSES) -> Batch:
    rng = generator("other losses", seed)
    return Batch(torch.rand(count, 1, 6, 6, generator=rng), torch.randint(classes, (count,), generator=rng))


@pytest.mark.slow
@pytest.mark.parametrize("criterion", LOSSES, ids=lambda one: one.words)
def test_one_label_is_exact_under_any_loss(criterion: Criterion, observe) -> None:
    task = task_of(criterion)
    for seed in range(10):
        one = batch(1, seed)
        assert infer("auto-labels", observe(task, one)).tolist() == one.labels.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("criterion", LOSSES, ids=lambda one: one.words)
def test_counts_are_near_exact_on_an_untrained_network(criterion: Criterion, observe) -> None:
    task, right = task_of(criterion), 0
    for seed in range(3):
        some = batch(8, seed)
        seen = observe(task, some).with_auxiliary(batch(100, 99))
        right += shared(infer("auto-labels", seen), some.labels)
        if criterion.activation(torch.zeros(1, 2)) is not None:
            alone = infer("auto-labels", replace(seen, auxiliary=None))
            assert shared(alone, some.labels) >= 6
    assert right >= 23


@pytest.mark.parametrize(
    "criterion", [CrossEntropy(single_logit=True), CrossEntropy(single_logit=True, class_weights=(1.0, 3.0))]
)
def test_a_single_logit_gives_both_classes_away(criterion: Criterion, observe) -> None:
    task, right = task_of(criterion, 1), 0
    for seed in range(6):
        one, some = batch(1, seed, 2), batch(8, seed, 2)
        assert infer("bias-sign", observe(task, one)).tolist() == one.labels.tolist()
        right += shared(infer("auto-labels", observe(task, some)), some.labels)
    assert right >= 45


@pytest.mark.slow
def test_images_come_back_under_other_losses(observe) -> None:
    for criterion in LOSSES:
        task, one = task_of(criterion), batch(1, 3)
        for name in ("analytic-linear", "inverting-gradients"):
            guess = attacks.build(name, {"steps": 60} if name[0] == "i" else {}).run(observe(task, one), generator(0))
            assert guess.inputs is not None, (criterion.words, guess.failure)
            assert guess.labels is None or guess.labels.tolist() == one.labels.tolist()
        solved = attacks.build("analytic-linear", {}).run(observe(task, one), generator(0))
        assert (solved.inputs - one.inputs).abs().max() < 1e-3


@pytest.mark.parametrize("name", ["ilrg", "llg", "geng-counts", "idlg-rows", "rlg", "soft-label"])
def test_rules_for_plain_cross_entropy_say_so(name: str, observe) -> None:
    guess = attacks.build(name, {}).run(observe(task_of(SquaredError()), batch(1, 0)), generator(0))
    assert "derived for plain cross-entropy, and clients minimize mean squared error" in (guess.failure or "")


def infer(name: str, observation: Observation) -> torch.Tensor:
    guess = attacks.build(name, {}).run(observation, generator(0))
    assert guess.labels is not None, guess.failure
    return guess.labels


def shared(guess: torch.Tensor, truth: torch.Tensor) -> int:
    """How many labels two multisets have in common."""
    counted = (torch.bincount(one, minlength=CLASSES) for one in (guess, truth))
    return int(torch.minimum(*counted).sum())


@pytest.mark.slow
@pytest.mark.parametrize("criterion", [CrossEntropy(), *LOSSES], ids=lambda one: one.words)
def test_clipping_takes_no_label_away_without_a_word(criterion: Criterion, observe) -> None:
    task = task_of(criterion)
    for seed in range(2):
        one, some = batch(1, seed), batch(8, seed)
        clipped = {"gradient_clipping": 0.01}
        assert infer("auto-labels", observe(task, one, LocalTraining(**clipped))).tolist() == one.labels.tolist()
        seen = observe(task, some, LocalTraining(batch_size=8, **clipped)).with_auxiliary(batch(100, 99))
        assert shared(infer("auto-labels", seen), some.labels) >= 6


def test_signs_tell_the_label_of_one_example_under_losses_that_raise_all_other_scores(observe) -> None:
    right = 0
    for criterion in LOSSES:
        if criterion.shows_presence(CLASSES):
            one = batch(1, 5)
            seen = observe(task_of(criterion), one, LocalTraining(optimizer="adam"))
            right += infer("auto-labels", seen).tolist() == one.labels.tolist()
    assert right >= 4


def test_signs_that_prove_nothing_are_refused(observe) -> None:
    adam = LocalTraining(optimizer="adam")
    guess = attacks.build("auto-labels", {}).run(observe(task_of(SquaredError()), batch(1, 0), adam), generator(0))
    assert "under mean squared error signs tell no class" in (guess.failure or "")
    several = replace(observe(task_of(CrossEntropy()), batch(1, 0), adam), cohort=(0, 1))
    assert "a mean of signs is none" in (attacks.build("auto-labels", {}).run(several, generator(0)).failure or "")
