"""Laws of scoring: matching, what is not applicable and why, and the prior beside each figure."""

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.evaluation.scoring import NO_GUESS, match, matched, score
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

ALL = tuple(metrics.build(name, {}) for name in ("mse", "psnr", "ssim", "label-recall"))
NOTHING = Reconstruction.failed("no prior")


def batch(count: int, seed: int = 0, side: int = 8) -> Batch:
    rng = generator("truth", seed)
    return Batch(torch.rand(count, 1, side, side, generator=rng), torch.randint(0, 10, (count,), generator=rng))


def noisy(truth: Batch, seed: int = 0) -> torch.Tensor:
    return truth.inputs + 0.05 * torch.randn(truth.inputs.shape, generator=generator("noise", seed))


def scores(reconstruction: Reconstruction, truth: Batch, prior: Reconstruction = NOTHING) -> dict[str, Score]:
    return {row.metric: row for row in score(reconstruction, truth, ALL, prior)}


@settings(deadline=None, max_examples=25)
@given(count=st.integers(1, 7), seed=st.integers(0, 1000))
def test_matching_inverts_a_permutation(count: int, seed: int) -> None:
    truth = batch(count, seed)
    order = torch.randperm(count, generator=generator(seed))
    assert torch.equal(matched(truth.inputs[order], truth), truth.inputs)
    assert torch.equal(order[match(truth.inputs[order], truth)], torch.arange(count))


@settings(deadline=None, max_examples=15)
@given(count=st.integers(1, 6), seed=st.integers(0, 1000))
def test_the_order_of_the_guesses_does_not_matter(count: int, seed: int) -> None:
    truth = batch(count, seed)
    order = torch.randperm(count, generator=generator(seed))
    guess = noisy(truth, seed)
    once = scores(Reconstruction(inputs=guess, labels=truth.labels), truth)
    again = scores(Reconstruction(inputs=guess[order], labels=truth.labels[order]), truth)
    for name, row in once.items():
        assert again[name].per_sample == pytest.approx(row.per_sample), name


@pytest.mark.parametrize(("guesses", "truths"), [(4, 4), (5, 3), (2, 4)])
def test_no_other_matching_has_a_smaller_error(guesses: int, truths: int) -> None:
    guess, truth = batch(guesses, 1).inputs.double(), batch(truths, 2).inputs.double()
    errors = torch.tensor([[float((g - t).square().mean()) for g in guess] for t in truth])
    if guesses >= truths:
        least = min(sum(errors[i, p] for i, p in enumerate(ways)) for ways in permutations(range(guesses), truths))
    else:
        least = min(sum(errors[p, i] for i, p in enumerate(ways)) for ways in permutations(range(truths), guesses))
    places = match(guess, Batch(truth, torch.zeros(truths, dtype=torch.long)))
    chosen = sum(errors[i, place] for i, place in enumerate(places.tolist()) if place != NO_GUESS)
    assert float(chosen) == pytest.approx(float(least))


def test_a_perfect_guess_gets_the_best_of_every_metric() -> None:
    truth = batch(3)
    rows = scores(Reconstruction(inputs=truth.inputs, labels=truth.labels), truth)
    assert {name: row.value for name, row in rows.items()} == pytest.approx(
        {"mse": 0.0, "psnr": 100.0, "ssim": 1.0, "label-recall": 1.0}
    )
    assert all(row.reason is None for row in rows.values())


def test_best_is_what_leaked_most_in_the_direction_of_the_metric() -> None:
    truth = batch(4)
    rows = scores(Reconstruction(inputs=noisy(truth)), truth)
    assert rows["mse"].best == min(rows["mse"].per_sample)
    assert rows["mse"].worst == max(rows["mse"].per_sample)
    assert rows["psnr"].best == max(rows["psnr"].per_sample)
    assert rows["psnr"].worst == min(rows["psnr"].per_sample)
    assert rows["psnr"].value == pytest.approx(sum(rows["psnr"].per_sample) / 4)


def test_a_sample_without_a_guess_is_nan_and_counted() -> None:
    truth = batch(4)
    row = scores(Reconstruction(inputs=truth.inputs[[2, 0]]), truth)["psnr"]
    assert [math.isnan(value) for value in row.per_sample] == [False, True, False, True]
    assert row.value == 100
    assert row.reason == "2 of 4 samples had no usable guess"


def test_more_guesses_than_samples_are_no_score() -> None:
    truth = batch(2)
    many = Reconstruction(inputs=torch.cat([batch(3, 5).inputs, truth.inputs]), labels=torch.arange(2))
    for row in scores(many, truth).values():
        assert math.isnan(row.value)
        assert row.reason == "the attack guesses 5 images for 2 examples; expected one for each at most"


def test_guessing_only_the_easy_samples_does_not_beat_the_prior() -> None:
    truth = batch(4)
    mean = truth.inputs.mean(0, keepdim=True)
    prior = Reconstruction(inputs=mean.expand(4, -1, -1, -1))
    row = score(Reconstruction(inputs=mean), truth, (metrics.build("psnr", {}),), prior)[0]
    assert row.value == pytest.approx(row.baseline)
    assert row.reason == "3 of 4 samples had no usable guess"


def test_a_guess_that_is_not_finite_is_no_guess() -> None:
    truth = batch(3)
    guess = truth.inputs.clone()
    guess[1, 0, 3, 3] = math.inf
    row = scores(Reconstruction(inputs=guess), truth)["mse"]
    assert row.per_sample[0] == row.per_sample[2] == 0
    assert math.isnan(row.per_sample[1])
    assert row.reason == "1 of 3 samples had no usable guess"


@pytest.mark.parametrize(
    ("reconstruction", "of_images", "of_labels"),
    [
        (Reconstruction.failed("it diverged"), "it diverged", "it diverged"),
        (Reconstruction(), "the attack guesses no examples", "the attack guesses no labels"),
        (
            Reconstruction(inputs=torch.full((2, 1, 8, 8), math.nan)),
            "the attack guessed no image that is finite",
            "the attack guesses no labels",
        ),
        (
            Reconstruction(inputs=torch.zeros(0, 1, 8, 8)),
            "the attack guessed no image that is finite",
            "the attack guesses no labels",
        ),
    ],
)
def test_where_nothing_can_be_compared_the_score_is_nan_with_the_reason(
    reconstruction: Reconstruction, of_images: str, of_labels: str
) -> None:
    for name, row in scores(reconstruction, batch(2)).items():
        assert math.isnan(row.value)
        assert math.isnan(row.best)
        assert math.isnan(row.worst)
        assert row.reason == (of_labels if name == "label-recall" else of_images)


def test_images_too_small_for_a_metric_give_its_reason() -> None:
    truth = batch(1, side=4)
    rows = scores(Reconstruction(inputs=truth.inputs), truth)
    assert rows["ssim"].reason == "SSIM needs images of 6x6 or more, these are 4x4"
    assert math.isnan(rows["ssim"].value)
    assert rows["psnr"].value == 100


def test_labels_are_scored_without_images_and_images_without_labels() -> None:
    truth = batch(3)
    assert scores(Reconstruction(labels=truth.labels[[2, 1, 0]]), truth)["label-recall"].value == 1
    assert scores(Reconstruction(labels=truth.labels[:1]), truth)["label-recall"].value == pytest.approx(1 / 3)
    assert scores(Reconstruction(inputs=truth.inputs), truth)["psnr"].value == 100


def test_the_baseline_is_the_score_of_the_prior() -> None:
    truth = batch(3)
    prior = Reconstruction(inputs=batch(3, 9).inputs, labels=batch(3, 9).labels)
    attack = Reconstruction(inputs=noisy(truth), labels=truth.labels)
    alone, beside = scores(prior, truth), scores(attack, truth, prior)
    assert {name: row.baseline for name, row in beside.items()} == {name: row.value for name, row in alone.items()}


def test_a_failed_attack_keeps_its_baseline_and_a_failed_prior_leaves_the_score() -> None:
    truth = batch(2)
    guess = Reconstruction(inputs=truth.inputs)
    assert scores(NOTHING, truth, guess)["psnr"].baseline == 100
    row = scores(guess, truth, NOTHING)["psnr"]
    assert row.value == 100
    assert math.isnan(row.baseline)
    assert row.reason is None


def test_numbers_are_plain_floats() -> None:
    truth = batch(2)
    for row in scores(Reconstruction(inputs=noisy(truth), labels=truth.labels), truth).values():
        assert {type(value) for value in (row.value, row.best, row.worst, row.baseline, *row.per_sample)} == {float}


def test_a_gallery_shows_nothing_where_there_is_no_guess() -> None:
    truth = batch(3)
    ordered = matched(truth.inputs[1:2].requires_grad_(), truth)
    assert torch.equal(ordered[1], truth.inputs[1])
    assert ordered[[0, 2]].isnan().all()


def test_no_access_is_the_score_of_the_second_blind_guess() -> None:
    truth, other = batch(3), batch(3, 9)
    attack = Reconstruction(inputs=noisy(truth), labels=truth.labels)
    blind = Reconstruction(inputs=other.inputs, labels=other.labels)
    alone = scores(blind, truth)
    beside = {row.metric: row for row in score(attack, truth, ALL, NOTHING, [blind])}
    assert {name: row.no_access for name, row in beside.items()} == {name: row.value for name, row in alone.items()}
    assert all(math.isnan(row.baseline) for row in beside.values())


def test_no_access_is_over_the_samples_that_were_guessed() -> None:
    truth = batch(4)
    mean = truth.inputs.mean(0, keepdim=True)
    blind = Reconstruction(inputs=mean.expand(4, -1, -1, -1))
    row = score(Reconstruction(inputs=mean), truth, (metrics.build("psnr", {}),), NOTHING, [blind])[0]
    assert row.value == pytest.approx(row.no_access)


def test_no_access_is_the_mean_of_several_blind_guesses() -> None:
    truth = batch(3)
    draws = [Reconstruction(inputs=batch(3, seed).inputs) for seed in (7, 8, 9)]
    (row,) = score(Reconstruction(inputs=noisy(truth)), truth, (metrics.build("psnr", {}),), NOTHING, draws)
    alone = [scores(draw, truth)["psnr"].value for draw in draws]
    assert row.no_access == pytest.approx(sum(alone) / 3)


def test_without_a_second_blind_guess_its_figure_is_nan() -> None:
    truth = batch(2)
    assert all(math.isnan(row.no_access) for row in scores(Reconstruction(inputs=truth.inputs), truth).values())
