"""Laws of masking: it vanishes in the sum, it says nothing alone, and it never clips."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from fedleak.defenses import secure_aggregation as protocol
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.errors import ConfigError, FederationError, NonFiniteError
from fedleak.learning.weights import Weights

DEFENSE = SecureAggregation()


def keys(clients: int) -> tuple[dict[int, bytes], dict[int, bytes]]:
    private = {client: protocol.private_key("test", client) for client in range(clients)}
    return private, {client: protocol.public_key(key) for client, key in private.items()}


def masked(values: list[NDArray[np.float64]], context: str = "run/1") -> list[protocol.Ring]:
    private, public = keys(len(values))
    return [
        protocol.mask(DEFENSE.quantize(value, len(values)), client, private[client], public, context)
        for client, value in enumerate(values)
    ]


@given(st.integers(2, 6), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_masks_cancel_in_the_sum(clients: int, length: int, seed: int) -> None:
    values = list(np.random.default_rng(seed).normal(size=(clients, length)))
    clear = protocol.add_up([DEFENSE.quantize(value, clients) for value in values])
    assert np.array_equal(protocol.add_up(masked(values)), clear)


def test_the_sum_is_the_clear_sum_within_the_quantization_step() -> None:
    values = list(np.random.default_rng(0).normal(size=(5, 10_000)) * 1e-3)
    total = DEFENSE.dequantize(protocol.add_up(masked(values)))
    clear = np.sum(values, axis=0)
    assert np.abs(total - clear).max() <= 5 * 2.0 ** -(DEFENSE.fraction_bits + 1)
    assert np.linalg.norm(total - clear) <= 1e-8 * np.linalg.norm(clear)


def test_a_single_masked_vector_is_uniform_and_does_not_depend_on_the_data() -> None:
    for value in (0.0, 1.0, -3.5):
        vector = masked([np.full(100_000, value), np.zeros(100_000), np.zeros(100_000)])[0]
        assert chisquare(np.bincount(vector.view(np.uint8), minlength=256)).pvalue > 1e-4
        assert chisquare(np.bincount((vector >> np.uint64(56)).astype(np.int64), minlength=256)).pvalue > 1e-4
    data = np.random.default_rng(1).normal(size=100_000)
    seen = DEFENSE.dequantize(masked([data, data, data])[1])
    assert abs(np.corrcoef(data, seen)[0, 1]) < 0.02


def test_one_mask_missing_leaves_noise() -> None:
    values = [np.ones(1000)] * 3
    short = DEFENSE.dequantize(protocol.add_up(masked(values)[:2]))
    assert np.abs(short).mean() > 1e5
    before = Weights({"w": torch.zeros(999)}, {})
    with pytest.raises(FederationError, match="masks did not cancel"):
        protocol.mean_state(before, short)


def test_masks_of_another_round_or_pair_are_others() -> None:
    values = [np.zeros(64)] * 3
    one, two = masked(values, "run/1"), masked(values, "run/2")
    assert all(not np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    private, public = keys(3)
    streams = {protocol.shared_key(private[a], public[b], b"x") for a, b in [(0, 1), (0, 2), (1, 2)]}
    assert len(streams) == 3
    assert protocol.shared_key(private[0], public[1], b"x") == protocol.shared_key(private[1], public[0], b"x")


@pytest.mark.parametrize("value", [2.0**20, 2.0**23, 1e300])
def test_what_could_overflow_is_refused_and_never_clipped(value: float) -> None:
    with pytest.raises(ConfigError, match="lower fraction_bits"):
        SecureAggregation(fraction_bits=50).quantize(np.array([0.0, value]), 4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(NonFiniteError, match="not finite"):
        DEFENSE.quantize(np.array([value]), 2)


def test_values_at_the_limit_add_up() -> None:
    greatest = 2.0 ** (63 - DEFENSE.fraction_bits) / 2 - 1
    for sign in (1.0, -1.0):
        total = DEFENSE.dequantize(protocol.add_up(masked([np.array([sign * greatest])] * 2)))
        assert total[0] == sign * 2 * greatest


def test_a_public_key_of_low_order_is_refused() -> None:
    private, _ = keys(1)
    with pytest.raises(FederationError, match="public key"):
        protocol.shared_key(private[0], bytes(32), b"x")


def test_the_mean_is_weighted_by_examples_and_covers_buffers() -> None:
    before = Weights({"w": torch.tensor([1.0, 2.0])}, {"count": torch.tensor(3), "mean": torch.tensor([0.5])})
    one = Weights({"w": torch.tensor([2.0, 2.0])}, {"count": torch.tensor(5), "mean": torch.tensor([1.5])})
    two = Weights({"w": torch.tensor([1.0, 6.0])}, {"count": torch.tensor(4), "mean": torch.tensor([0.5])})
    total = protocol.contribution(before, one, 1) + protocol.contribution(before, two, 3)
    state, examples = protocol.mean_state(before, total)
    assert examples == 4
    assert state["w"].tolist() == [1.25, 5.0]
    assert state["count"].tolist() == 4.25
    assert state["mean"].tolist() == [0.75]
