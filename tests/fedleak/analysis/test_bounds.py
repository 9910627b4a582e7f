"""Reconstruction robustness: laws of the bound, and a result that beats what its defense proves is a bug of the run."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.accounting.gaussian import delta_of
from fedleak.accounting.guarantee import Guarantee
from fedleak.accounting.mechanism import Mechanism
from fedleak.analysis.bounds import Check, bounds_of, check_success, gaussian_success, half_bound
from fedleak.analysis.conditions import Condition
from fedleak.analysis.guarantees import guarantees_of
from fedleak.contracts.metric import ExampleMetric, metrics
from fedleak.data.splits import Splits, load
from fedleak.defenses.local_dp import LocalDP
from fedleak.errors import BoundError
from fedleak.evaluation.constant_guesses import UNKNOWN, BlindSuccess, blind_values
from fedleak.experiment.grid import parse_campaign
from fedleak.randomness import generator
from fedleak.run import run
from fedleak.tasks import source_of

GRID = (0.0, *(10 ** (power / 40) for power in range(-120, 114)))
"""Epsilons at which a privacy profile is asked."""
priors = st.floats(1e-6, 0.999)
shifts = st.floats(0, 12)


def profile_success(prior: float, delta: Callable[[float], float]) -> float:
    """The least `exp(epsilon) prior + delta(epsilon)`: the bound of Balle et al. 2022 for any mechanism, an oracle."""
    return min(1.0, *(math.exp(epsilon) * prior + delta(epsilon) for epsilon in GRID))


@given(priors)
def test_no_information_leaves_the_prior(prior: float) -> None:
    assert gaussian_success(prior, 0.0) == pytest.approx(prior)


@given(priors, shifts)
def test_bounds_grow_with_the_prior_and_with_what_is_released(prior: float, shift: float) -> None:
    assert gaussian_success(prior, shift) <= gaussian_success(prior, shift + 0.1) <= 1
    assert gaussian_success(0.9 * prior, shift) <= gaussian_success(prior, shift)


@pytest.mark.slow
@given(priors, st.floats(0.05, 6))
def test_the_bound_by_the_privacy_profile_is_nowhere_below_the_exact_one(prior: float, shift: float) -> None:
    by_profile = profile_success(prior, lambda epsilon: delta_of(epsilon, shift))
    assert gaussian_success(prior, shift) <= by_profile + 1e-12


def test_at_its_best_epsilon_the_profile_gives_the_exact_bound() -> None:
    assert profile_success(0.01, lambda epsilon: delta_of(epsilon, 2.0)) == pytest.approx(
        gaussian_success(0.01, 2.0), rel=0.01
    )


def test_extremes() -> None:
    assert gaussian_success(0.0, 3.0) == 0.0
    assert gaussian_success(0.1, math.inf) == 1.0
    assert gaussian_success(1.0, 0.5) == 1.0


def test_the_best_attacker_on_two_secrets_stays_below_and_the_bound_is_not_far_above() -> None:
    """The secret is one of two updates of length 1; the best guess is the nearer one."""
    secrets = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    rng, noise, trials = generator("two secrets"), 1.5, 20_000
    truth = torch.randint(2, (trials,), generator=rng)
    seen = secrets[truth] + noise * torch.randn(trials, 2, generator=rng)
    success = float((torch.cdist(seen, secrets).argmin(1) == truth).float().mean())
    bound = gaussian_success(0.5, 1 / noise)
    assert success <= bound + 0.01
    assert success == pytest.approx(bound, abs=0.01)  # it is tight


def guarantee(multiplier: float, rounds: int = 1) -> Guarantee:
    mechanism = Mechanism(noise=multiplier, contribution=1.0, protects="client")
    return Guarantee(mechanism=mechanism, rounds=rounds, defense="local-dp")


def check(multiplier: float, hits: int, trials: int = 40, blind: int = 0, used: int = 1) -> Check:
    return check_success(
        guarantee(multiplier, rounds=5),
        hits=[1] * hits + [0] * (trials - hits),
        sizes=[1] * trials,
        seeds=list(range(trials)),
        blind=BlindSuccess(hits=blind, trials=1000, constants=1),
        rounds=used,
    )


def test_success_in_every_message_under_strong_noise_is_a_bug() -> None:
    found = check(10.0, hits=40)
    assert found.beaten
    with pytest.raises(BoundError, match="the noise, the accounting or the scoring of this run is wrong: success 1"):
        found.require()


def test_success_without_noise_is_none() -> None:
    found = check(0.0, hits=40)
    assert found.bound == 1.0
    assert not found.beaten
    found.require()


def test_a_lucky_hit_and_too_few_blind_guesses_are_no_bug() -> None:
    assert not check(10.0, hits=1, trials=10).beaten
    unsure = check_success(guarantee(10.0), hits=[1, 1], sizes=[1, 1], seeds=[0, 1], blind=UNKNOWN)
    assert math.isnan(unsure.bound)
    assert not unsure.beaten


def test_the_bound_is_at_what_the_attack_used() -> None:
    one, five = check(2.0, 1, blind=100), check(2.0, 1, blind=100, used=5)
    assert 0.1 < one.bound < five.bound
    assert one.bound < one.bound_at_most
    assert "noise multiplier 1 (replace-one client), 1 release" in one.sentence
    assert "5 releases" in five.sentence


PRIVATE = {"use": "local-dp", "epsilon": 0.1, "delta": 1e-5, "max_norm": 1.0}
TREE = {
    "name": "tiny",
    "task": "digits-mlp",
    "metrics": ["psnr"],
    "federation": {"clients": 2},
    "attacks": [{"use": "analytic-linear"}, {"use": "prior"}],
    "defenses": [
        {"name": "none"},
        {"name": "private", "chain": [PRIVATE]},
        {"name": "sparse", "chain": [{"use": "top-k", "fraction": 0.1}]},
    ],
}


@pytest.fixture
def rows(make_row):
    """Forty messages under each defense, all of which were rebuilt at so many dB."""

    def made(decibels, **changed):
        where = [{"defense": name, "seed": seed} for name in ("none", "private", "sparse") for seed in range(40)]
        return [
            make_row(decibels, algorithm="analytic-linear", attack="analytic-linear", **one, **changed) for one in where
        ]

    return made


def test_the_bound_is_about_the_recorded_rounds(rows):
    longer = parse_campaign({**TREE, "utility": {"rounds": 3}})
    [bound] = bounds_of(rows(9.0), longer)
    assert bound.check.guarantee == guarantees_of(longer)[Condition(task="digits-mlp"), "private"].over(1)


def test_a_message_of_a_later_round_starts_from_weights_that_tell_of_the_ones_before(rows):
    several = parse_campaign({**TREE, "federation": {"clients": 2, "rounds": 3}})
    [bound] = bounds_of([*rows(9.0, round=1), *rows(9.0, round=3)], several)
    assert bound.check.guarantee == guarantees_of(several)[Condition(task="digits-mlp"), "private"].over(3)


def test_nothing_is_proved_of_messages_after_rounds_without_the_defenses(rows):
    trained = parse_campaign({**TREE, "model": {"trained_rounds": 2}})
    assert not bounds_of(rows(9.0), trained)
    assert "without the defenses" in guarantees_of(trained)[Condition(task="digits-mlp"), "private"].reason


def test_success_that_noise_rules_out_is_a_bug(rows):
    [bound] = bounds_of(rows(60.0), parse_campaign(TREE))
    assert bound.group.defense == "private"
    assert bound.check.measured == 1.0
    with pytest.raises(BoundError, match="beats a proven bound"):
        bound.check.require()


def test_failure_and_blind_guesses_are_none(rows):
    [bound] = bounds_of(rows(9.0), parse_campaign(TREE))
    bound.check.require()
    blind = [row for row in rows(60.0) if row.defense == "private"]
    assert not bounds_of([type(row)(**{**vars(row), "algorithm": "prior"}) for row in blind], parse_campaign(TREE))


def test_what_chance_may_explain_is_none(rows):
    few = [row for row in rows(60.0) if row.seed < 1]
    [bound] = bounds_of(few, parse_campaign(TREE))
    bound.check.require()


def test_what_a_blind_guess_reaches_beats_no_bound(rows):
    """Each image is as near as the best single color: past the threshold, and no success."""
    flat = rows(60.0, single_color_per_sample=(60.0,))
    [bound] = bounds_of(flat, parse_campaign(TREE))
    assert bound.check.measured == 0.0
    assert 0.0 < bound.check.bound_at_most < 0.1
    bound.check.require()


def test_the_bound_counts_a_guess_for_each_example_of_a_batch():
    one, four = (
        check_success(guarantee(10.0), hits=[0] * 5, sizes=[size] * 5, seeds=list(range(5)),
                      blind=BlindSuccess(hits=20, trials=1000, constants=1))
        for size in (1, 4)
    )  # fmt: skip
    assert four.prior == pytest.approx(4 * one.prior)
    assert one.bound_at_most < four.bound_at_most


def test_without_public_data_there_is_no_bound_and_the_sentence_says_so():
    found = check_success(guarantee(10.0), hits=[1] * 40, sizes=[1] * 40, seeds=list(range(40)), blind=UNKNOWN)
    assert not found.beaten
    assert "without public data to try blind guesses on there is no bound" in found.sentence


@pytest.mark.slow
def test_a_run_that_beats_a_bound_fails_and_says_why(tmp_path, monkeypatch):
    """As if the noise had been forgotten."""
    tree = {**TREE, "seed": list(range(12)), "attacks": [{"use": "analytic-linear"}], "defenses": TREE["defenses"][:2]}
    tree["federation"] = {"clients": 1, "batch_size": 1}
    honest = run(parse_campaign(tree), tmp_path / "honest")
    assert honest.exit_status == 0, honest.problems
    monkeypatch.setattr(LocalDP, "protect", lambda self, update, rng: update)
    broken = run(parse_campaign(tree), tmp_path / "broken")
    assert broken.exit_status == 1
    assert any(
        "analytic-linear under private, psnr" in one and "beats a proven bound" in one for one in broken.problems
    )


@pytest.fixture(scope="module")
def digits() -> Splits:
    return load(source_of(parse_campaign({"name": "digits", "task": "digits-mlp"}).points[0].experiment.task))


def test_what_half_of_the_examples_keep_starts_from_blind_guesses_and_grows_with_what_is_released(
    digits: Splits,
) -> None:
    psnr = metrics.build("psnr", {})
    assert isinstance(psnr, ExampleMetric)
    bounds = [half_bound(psnr, digits, 1, shift) for shift in (0.0, 0.5, 1.0, 2.0, 9.0)]
    assert bounds == sorted(bounds)
    assert math.isinf(bounds[-1])
    values = blind_values(psnr, digits)
    assert values is not None
    # Without an update, half of the unseen digits are not beyond what the best constant gets of half of them.
    assert bounds[0] >= float(values.median(0).values.max())
    assert half_bound(psnr, digits, 8, 0.5) >= bounds[1]
