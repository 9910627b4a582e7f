"""Laws of user-level differential privacy with shared noise."""

import math

import pytest
import torch

from fedleak.api import capture
from fedleak.contracts.chain import Chain
from fedleak.defenses.user_level_dp import UserLevelDP
from fedleak.errors import ConfigError
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator


def test_infinite_clip_and_no_noise_leave_the_update_alone() -> None:
    update = Update({"a": torch.randn(30, generator=generator(0))}, UpdateKind.DELTA)
    sent = UserLevelDP(max_norm=math.inf, noise_multiplier=0.0, clients=3).protect(update, generator(0))
    assert torch.equal(sent.vector(), update.vector())


@pytest.mark.parametrize("clients", [1, 4, 9])
def test_the_sum_over_the_clients_has_the_full_noise(clients: int) -> None:
    defense = UserLevelDP(max_norm=0.5, noise_multiplier=2.0, clients=clients)
    zeros = Update({"a": torch.zeros(50_000)}, UpdateKind.DELTA)
    total = sum(defense.protect(zeros, generator(client)).vector() for client in range(clients))
    assert isinstance(total, torch.Tensor)
    assert total.std() == pytest.approx(2.0 * 0.5, rel=0.02)


@pytest.mark.slow
def test_under_secure_aggregation_the_server_sees_the_sum_with_the_full_noise() -> None:
    users = {"use": "user-level-dp", "max_norm": 1e-3, "noise_multiplier": 50.0, "clients": 4}
    seen = capture("digits-mlp", defense=[users, {"use": "secure-aggregation"}], clients=4)[-1].observation
    assert len(seen.cohort) == 4
    assert (4 * seen.update.vector()).std() == pytest.approx(50.0 * 1e-3, rel=0.03)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_norm": -1.0}, "chain.0.max_norm: expected greater than 0, got -1.0"),
        ({"noise_multiplier": -0.5}, "chain.0.noise_multiplier: expected greater than or equal to 0, got -0.5"),
        ({"max_norm": math.inf}, "chain.0: expected a finite max_norm where there is noise, got inf"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(options: dict[str, float], sentence: str) -> None:
    table = {"use": "user-level-dp", "max_norm": 1.0, "noise_multiplier": 1.0, "clients": 2, **options}
    with pytest.raises(ConfigError) as caught:
        Chain.build((table,))
    assert str(caught.value).startswith(sentence)


def test_another_number_of_clients_is_refused() -> None:
    users = {"use": "user-level-dp", "max_norm": 1.0, "noise_multiplier": 1.0, "clients": 3}
    with pytest.raises(ConfigError, match="among clients = 3, and the federation has 4; give the same number"):
        capture("digits-mlp", defense=[users], clients=4)
