"""Readout of an imprint: what is alone in a bin comes back exactly, and what is proved is right."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import manipulations
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.evaluation.scoring import NOT_GUESSED, score
from fedleak.gradients.imprint import first_linear, planted_module
from fedleak.learning.batch import Batch
from fedleak.learning.update import Update
from fedleak.metrics.psnr import PSNR
from fedleak.randomness import generator
from fedleak.statistics.singletons import most_singletons
from fedleak.tasks import weights_of

MODULES = ("smooth_task", "linear_task")


def read(observation: Observation, seed: int = 0) -> Reconstruction:
    return attacks.build("imprint-readout", {}).run(observation, generator(seed))


def errors(guess: Reconstruction, truth: Batch) -> Tensor:
    """The mean squared error of each guess to the nearest true example."""
    apart = guess.inputs[:, None].double() - truth.inputs[None].double()
    return apart.square().flatten(2).mean(2).amin(1)


def alone(observation: Observation, truth: Batch) -> int:
    """How many examples lie between two thresholds with no other, as who knows them can tell."""
    layer = planted_module(observation.task.network) or first_linear(observation.task)
    thresholds = layer.thresholds(observation.before).sort().values
    along = truth.inputs.double().flatten(1) @ layer.direction(observation.before)
    bins = torch.searchsorted(thresholds, along) - 1
    counts = torch.bincount(bins[bins >= 0], minlength=len(thresholds))
    return int((counts == 1).sum())


@pytest.mark.parametrize("task", MODULES)
@pytest.mark.parametrize("form", ["linear", "sparse"])
def test_images_that_are_alone_in_a_bin_come_back_exactly_and_no_other(
    task: str, form: str, planted_sum: Callable[..., Any]
) -> None:
    observation, truth = planted_sum(task, form=form, bins=256, batch_size=4)
    guess, most = read(observation), alone(observation, truth)
    exact = errors(guess, truth) < 1e-6
    assert most - 1 <= exact.sum() <= most <= 16
    assert most >= 12
    assert guess.certified[exact].float().mean() > 0.7
    assert (errors(guess, truth)[guess.certified] < 1e-8).all()


def test_by_weights_alone_they_come_back_too(planted_sum: Callable[..., Any]) -> None:
    observation, truth = planted_sum("linear_task", form="weights", bins=24, clients=2, batch_size=2, seed=1)
    guess = read(observation)
    assert guess.certified.sum() == alone(observation, truth) == 4
    assert (errors(guess, truth) < 1e-8).all()
    assert guess.certificate == "each of 4 examples explains its part of the update"


@pytest.mark.parametrize(("alive", "seed"), [(0.1, 6), (0.25, 4), (0.5, 1)])
def test_rows_that_a_server_leaves_honest_are_no_bins(alive: float, seed: int, planted_sum: Callable[..., Any]) -> None:
    observation, truth = planted_sum(
        "linear_task", form="weights", bins=24, clients=2, batch_size=2, seed=seed, hidden={"alive": alive}
    )
    guess, most = read(observation), alone(observation, truth)
    assert (errors(guess, truth) < 1e-4).sum() == most >= 2
    layer = first_linear(observation.task)
    rows = int(layer.planted(observation.before).sum())
    assert f"in {rows} bins" in guess.note
    assert rows < len(layer.rows(observation.before))


@pytest.mark.parametrize(("alive", "seed"), [(0.0, 6), (0.5, 3)])
def test_noise_in_rows_hides_nothing_that_was_sent(alive: float, seed: int, planted_sum: Callable[..., Any]) -> None:
    observation, truth = planted_sum(
        "linear_task",
        form="weights",
        bins=24,
        clients=2,
        batch_size=2,
        seed=seed,
        hidden={"alive": alive, "jitter": 0.3},
    )
    guess = read(observation)
    assert len(guess.inputs) == 4
    assert (errors(guess, truth) < 1e-8).all()
    assert guess.certified.all()


def test_no_more_are_alone_than_chance_has_it(planted_sum: Callable[..., Any]) -> None:
    found = 0
    for seed in range(10):
        guess = read(planted_sum("linear_task", bins=64, batch_size=4, seed=seed)[0])
        found += int(guess.certified.sum())
    assert 100 <= found <= most_singletons(16, 64, draws=10)


@pytest.mark.slow
def test_of_100_draws_no_proof_is_wrong(planted_sum: Callable[..., Any]) -> None:
    """Half of the images share their bin, so that there are mixtures to fall for."""
    proofs = 0
    for seed in range(100):
        task, form = MODULES[seed % 2], ("linear", "sparse", "one-shot")[seed % 3]
        observation, truth = planted_sum(task, clients=2, form=form, bins=24, batch_size=8, seed=seed)
        guess = read(observation)
        if guess.certified is not None:
            assert (errors(guess, truth)[guess.certified] < 1e-4).all()
            proofs += int(guess.certified.sum())
    assert proofs > 300


def test_rows_that_saturate_outlast_several_local_steps(planted_sum: Callable[..., Any]) -> None:
    once, truth = planted_sum("smooth_task", bins=256, batch_size=4)
    often, _ = planted_sum("smooth_task", bins=256, batch_size=4, epochs=3)
    guess = read(often)
    assert (errors(guess, truth) < 1e-6).sum() >= (errors(read(once), truth) < 1e-6).sum() - 1
    assert guess.certified.sum() >= 10
    assert (errors(guess, truth)[guess.certified] < 1e-8).all()


@pytest.mark.parametrize(
    ("form", "chain"),
    [
        ("sparse", ({"use": "clipping", "max_norm": 0.1}, {"use": "gaussian-noise", "std": 2e-4})),
        ("linear", ({"use": "clipping", "max_norm": 0.1}, {"use": "gaussian-noise", "std": 1e-5})),
        ("sparse", ({"use": "dp-sgd", "noise_multiplier": 5e-3},)),
        ("sparse", ({"use": "top-k", "fraction": 0.02},)),
    ],
)
def test_who_knows_the_defense_reads_more_and_proves_nothing(
    form: str, chain: Any, planted_sum: Callable[..., Any]
) -> None:
    observation, truth = planted_sum("smooth_task", form=form, bins=64, batch_size=2, defense=Chain.build(chain))
    knowing = read(observation)
    plain = attacks.build("plain", {"attack": {"use": "imprint-readout"}}).run(observation, generator(0))
    prior = (observation.auxiliary.inputs.mean(0) - truth.inputs).square().mean()
    assert mean_error(knowing, truth) < min(mean_error(plain, truth), prior) / 1.5
    assert not knowing.certifiable
    assert not knowing.certified.any()
    assert knowing.certificate is None


def mean_error(guess: Reconstruction, truth: Batch) -> float:
    """Of all examples; infinite where nothing was guessed."""
    if guess.inputs is None:
        return float("inf")
    (psnr,) = score(guess, truth, (PSNR(),), NOT_GUESSED)
    return sum(10 ** (-value / 10) for value in psnr.per_sample) / len(truth)


def test_what_is_only_scaled_comes_back_exactly(planted_sum: Callable[..., Any]) -> None:
    chain = Chain.build(({"use": "clipping", "max_norm": 1e-2},))
    observation, truth = planted_sum("smooth_task", bins=256, batch_size=4, defense=chain)
    guess = read(observation)
    assert (errors(guess, truth) < 1e-6).sum() >= alone(observation, truth) - 1
    assert not guess.certifiable


def test_under_noise_that_hides_everything_the_usual_image_is_guessed(planted_sum: Callable[..., Any]) -> None:
    observation, truth = planted_sum(
        "smooth_task", bins=64, batch_size=2, defense=Chain.build(({"use": "dp-sgd", "noise_multiplier": 100.0},))
    )
    guess = read(observation)
    (psnr,) = score(guess, truth, (PSNR(),), NOT_GUESSED)
    assert guess.note.startswith("0 of 8 examples read")
    assert len(psnr.per_sample) == 8
    assert all(value < 20 for value in psnr.per_sample)


def test_which_client_an_image_is_from_changes_nothing(planted_sum: Callable[..., Any]) -> None:
    one, _ = planted_sum("linear_task", bins=64, batch_size=2)
    other, _ = planted_sum("linear_task", bins=64, batch_size=2, order=(3, 1, 0, 2))
    first, second = read(one), read(other)
    assert len(first.inputs) == len(second.inputs)
    assert torch.allclose(first.inputs, second.inputs, atol=1e-4)


def test_what_is_not_found_counts_as_the_mean_public_image(planted_sum: Callable[..., Any]) -> None:
    observation, truth = planted_sum("linear_task", bins=4, batch_size=2)
    guess = read(observation)
    (psnr,) = score(guess, truth, (PSNR(),), NOT_GUESSED)
    assert len(guess.inputs) < len(truth) == len(psnr.per_sample)
    assert all(value > 0 for value in psnr.per_sample)
    assert sum(value >= 40 for value in psnr.per_sample) == int((errors(guess, truth) < 1e-4).sum())
    assert torch.equal(guess.fallback, observation.auxiliary.inputs.mean(0))


def test_an_honest_server_and_a_masked_message_have_nothing_to_read(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("linear_task", bins=64, batch_size=2)
    assert "planted nothing" in read(replace(observation, manipulations=())).failure
    assert "masked" in read(replace(observation, masked=True)).failure
    honest = replace(observation, before=weights_of(observation.task.network))
    assert "planted nothing yet" in read(honest).failure


def test_noise_beyond_the_bins_is_no_image(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("smooth_task", bins=64, batch_size=2)
    noise = {
        name: torch.randn(one.shape, generator=generator(name)) for name, one in observation.update.tensors.items()
    }
    guess = read(replace(observation, update=Update(noise, observation.update.kind)))
    assert guess.failure is not None or not guess.certified.any()


def test_the_note_has_what_is_expected(planted_sum: Callable[..., Any]) -> None:
    observation, _ = planted_sum("linear_task", bins=64, batch_size=4)
    assert "in 64 bins 12.6 are expected to be alone" in read(observation).note
    observation, _ = planted_sum("linear_task", form="one-shot", bins=8, batch_size=4, seed=1)
    assert "in 8 bins 3.04 are expected to be alone" in read(observation).note
    hidden = manipulations.build("stealthy", {"alive": 0.5, "manipulation": observation.manipulations[0]})
    assert "in 8 bins 1.52 are expected to be alone" in read(replace(observation, manipulations=(hidden,))).note
