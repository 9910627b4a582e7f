"""What the README promises of the attacks and of secure aggregation, measured on real data."""

import statistics

import pytest
import torch

from fedleak.api import Capture, attack, capture, score


def value(captured: Capture, name: str, metric: str, **options: object) -> float:
    return score(attack(captured, name, **options), captured, [metric])[0].value


@pytest.mark.slow
def test_inverting_gradients_recovers_photos() -> None:
    photos = capture("photos-convnet", clients=4, seed=901)
    assert statistics.mean(value(photo, "inverting-gradients", "psnr") for photo in photos) >= 28


@pytest.mark.slow
def test_analytic_linear_is_exact_for_one_example() -> None:
    captures = capture("digits-mlp", clients=8, seed=902)
    assert all(value(one, "analytic-linear", "psnr") >= 80 for one in captures)


SMALL = ("digits-mlp", "digits-lenet", "photos-convnet", "photos-lenet")


@pytest.mark.slow
@pytest.mark.parametrize("task", [*SMALL, pytest.param("photos-resnet18", marks=pytest.mark.slow)])
def test_labels_are_read_off_the_update(task: str) -> None:
    large = task.endswith("18")
    single = capture(task, clients=2 if large else 4, seed=903)
    assert all(value(one, "bias-sign", "label-recall") == 1 for one in single)
    batches = capture(task, clients=1 if large else 6, batch_size=16, seed=904)
    assert statistics.mean(value(one, "batch-counts", "label-recall") for one in batches) >= 0.9


@pytest.mark.slow
def test_a_masked_update_gives_no_more_than_the_prior() -> None:
    *masked, _ = capture("photos-convnet", clients=4, seed=905, defense=[{"use": "secure-aggregation"}])
    assert all(one.observation.masked for one in masked)
    for one in masked:
        figure = score(attack(one, "inverting-gradients", steps=100), one, ["psnr"])[0]
        assert figure.value <= figure.baseline + 0.5


@pytest.mark.slow
def test_the_aggregate_is_the_sum_of_the_clear_updates() -> None:
    clear = capture("photos-convnet", clients=4, batch_size=2, seed=906)
    *_, aggregate = capture(
        "photos-convnet", clients=4, batch_size=2, seed=906, defense=[{"use": "secure-aggregation"}]
    )
    mean = torch.stack([one.observation.update.vector().double() for one in clear]).mean(0)
    seen = aggregate.observation.update.vector().double()
    assert (seen - mean).norm() <= 1e-4 * mean.norm()
    assert aggregate.observation.num_examples == 8
