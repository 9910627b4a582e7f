"""Laws of local differential privacy."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.accounting.gaussian import noise_multiplier_for
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.defenses.local_dp import LocalDP
from fedleak.errors import ConfigError
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator


def update_of(size: int, length: float = 1.0) -> Update:
    values = torch.randn(size, generator=generator(size))
    values = values * length / values.norm()
    return Update({"a": values[: size // 2].reshape(-1, 1), "b": values[size // 2 :]}, UpdateKind.DELTA)


def test_infinite_clip_and_no_noise_leave_the_update_alone() -> None:
    update = update_of(30)
    sent = LocalDP(epsilon=math.inf, delta=1e-5, max_norm=math.inf).protect(update, generator(0))
    assert torch.equal(sent.vector(), update.vector())


@given(st.floats(0.1, 30), st.floats(0.01, 10))
def test_noise_is_that_of_two_clipped_updates_far_apart(epsilon: float, max_norm: float) -> None:
    defense = LocalDP(epsilon=epsilon, delta=1e-5, max_norm=max_norm)
    assert defense.std == pytest.approx(2 * max_norm * noise_multiplier_for(epsilon, 1e-5))


def test_noise_has_the_stated_standard_deviation_around_the_clipped_update() -> None:
    update = update_of(100_000, length=5.0)
    defense = LocalDP(epsilon=2.0, delta=1e-5, max_norm=1.0)
    noise = defense.protect(update, generator(0)).vector() - update.vector() / 5
    assert noise.std() == pytest.approx(defense.std, rel=0.02)
    assert abs(float(noise.mean())) < 0.03 * defense.std


def test_the_likelihood_is_highest_at_what_was_clipped_and_counts_nats() -> None:
    update, defense = update_of(20_000, length=3.0), LocalDP(epsilon=2.0, delta=1e-5, max_norm=1.0)
    sent = defense.protect(update, generator(1))
    right, longer = (
        defense.negative_log_likelihood(update, sent),
        defense.negative_log_likelihood(update_of(20_000, length=300.0), sent),
    )
    assert right is not None
    assert longer is not None
    assert float(right) == pytest.approx(20_000 / 2, rel=0.05)  # half a nat for each entry
    assert float(longer) == pytest.approx(float(right), rel=1e-4)  # clipping has hidden the length


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epsilon": 1.0, "max_norm": 1.0}, "chain.0: defense 'local-dp' needs delta"),
        ({"epsilon": 1.0, "delta": 1e-5, "max_norm": -1.0}, "chain.0.max_norm: expected greater than 0, got -1.0"),
        ({"epsilon": 0.0, "delta": 1e-5, "max_norm": 1.0}, "chain.0.epsilon: expected greater than 0, got 0.0"),
        ({"epsilon": 1.0, "delta": 1.0, "max_norm": 1.0}, "chain.0.delta: expected less than 1, got 1.0"),
        (
            {"epsilon": 1.0, "delta": 1e-5, "max_norm": math.inf},
            "chain.0: expected a finite max_norm for a finite epsilon, got inf; noise goes by the norm",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(options: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Chain.build(({"use": "local-dp", **options},))
    assert str(caught.value) == sentence


def test_it_is_found_by_its_name() -> None:
    assert defenses.get("local-dp") is LocalDP
