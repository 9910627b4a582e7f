"""The vector that is encrypted, and what of a sum is believed."""

import numpy as np
import pytest
import torch

from fedleak.contracts.defense import defenses
from fedleak.defenses.homomorphic_aggregation import HomomorphicAggregation
from fedleak.errors import ConfigError, FederationError, NonFiniteError
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import Weights
from fedleak.settings.federation import FederationSettings

DEFENSE = HomomorphicAggregation()
BEFORE = Weights({"w": torch.ones(2, 3)}, {"count": torch.tensor(4)})


def after(change: float) -> Weights:
    return Weights({"w": BEFORE.parameters["w"] + change}, {"count": torch.tensor(6)})


def test_the_sum_of_vectors_opens_to_the_mean_weighted_by_examples() -> None:
    total = DEFENSE.vector(BEFORE, after(0.5), 3, 2) + DEFENSE.vector(BEFORE, after(-0.25), 1, 2)
    state, examples = DEFENSE.opened(total + 1e-8, BEFORE)
    assert examples == 4
    torch.testing.assert_close(state["w"], torch.full((2, 3), 1 + (3 * 0.5 - 0.25) / 4), rtol=0, atol=1e-6)
    assert state["count"] == pytest.approx(6)


@pytest.mark.parametrize("total", [np.ones(3), np.full(8, np.nan), np.append(np.ones(7), 0.2)], ids=str)
def test_what_cannot_be_a_sum_is_refused(total: np.ndarray) -> None:
    with pytest.raises(FederationError, match="expected the sum of 8 entries"):
        DEFENSE.opened(total, BEFORE)


def test_what_could_overflow_or_is_not_finite_never_leaves() -> None:
    with pytest.raises(ConfigError, match="lower scale_bits"):
        DEFENSE.vector(BEFORE, after(DEFENSE.limit / 2), 1, 2)
    with pytest.raises(NonFiniteError, match="learning_rate"):
        DEFENSE.vector(BEFORE, after(float("inf")), 1, 2)


def test_a_sum_takes_two_clients_and_a_modulus_two_primes() -> None:
    with pytest.raises(ConfigError, match="needs 2 clients"):
        DEFENSE.settings(FederationSettings(clients=1))
    with pytest.raises(ConfigError, match="two primes"):
        defenses.build("homomorphic-aggregation", {"coeff_mod_bit_sizes": [60]})


def test_it_says_who_can_decrypt_and_what_it_costs() -> None:
    assert "every client holds the one secret key" in DEFENSE.caveat
    assert DEFENSE.encoded_bytes(Update({"w": torch.zeros(4096)}, UpdateKind.DELTA)) == 2 * 2 * 8192 * 2 * 8
