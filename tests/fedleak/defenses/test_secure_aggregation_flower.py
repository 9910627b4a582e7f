"""The options of Flower's protocol, and what its elements say."""

from typing import Any

import numpy as np
import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.defenses.secure_aggregation_flower import SecureAggregationFlower, flower_masking_of
from fedleak.errors import ConfigError
from fedleak.learning.update import Update, UpdateKind
from fedleak.settings.federation import FederationSettings

NAME = "secure-aggregation-flower"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"modulus_range": 2**22}, "power of two above"),
        ({"modulus_range": 2**22 + 1, "quantization_range": 2}, "power of two above"),
        ({"num_shares": 2}, "3 or more"),
        ({"num_shares": 3, "reconstruction_threshold": 3}, "below num_shares = 3"),
        ({"reconstruction_threshold": 1.5}, "reconstruction_threshold"),
        ({"clipping_range": 0.0}, "clipping_range"),
    ],
)
def test_what_the_workflow_would_refuse_is_refused_before(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        defenses.build(NAME, options)


@pytest.mark.parametrize(
    ("options", "clients", "words"),
    [
        ({}, 1, "needs 2 clients"),
        ({"num_shares": 5, "reconstruction_threshold": 4}, 3, "needs 4 clients"),
        ({"quantization_range": 2**31}, 3, "lower quantization_range"),
    ],
)
def test_a_federation_that_it_cannot_serve_is_refused(options: dict[str, Any], clients: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        defenses.build(NAME, options).settings(FederationSettings(clients=clients))


def test_options_survive_a_table() -> None:
    for defense in (SecureAggregationFlower(), SecureAggregationFlower(num_shares=3, reconstruction_threshold=2)):
        assert flower_masking_of(Chain.build(({"use": NAME, **defense.options()},))) == defense


def test_elements_without_masks_are_read_as_weights_times_the_weight() -> None:
    defense = SecureAggregationFlower()
    weights, weight = torch.randn(6, generator=torch.Generator().manual_seed(0)).double(), defense.weight(250)
    grid = ((weights * weight + defense.clipping_range) / defense.step).round().long().numpy().astype(np.uint32)
    elements = np.concatenate([np.array([round(weight * 2**22)], np.uint32), grid])
    read = defense.read(elements, {"a": weights[:2], "b": weights[2:].reshape(2, 2)})
    assert read["b"].shape == (2, 2)
    found = torch.cat([value.reshape(-1) for value in read.values()]) / weight
    assert (found - weights).abs().max() <= defense.step / weight


def test_it_says_what_it_does_not_protect_from() -> None:
    assert "28 bits" in SecureAggregationFlower().caveat
    assert "overlap" in SecureAggregationFlower().caveat


def test_eight_bytes_for_each_entry_and_the_weight() -> None:
    update = Update({"w": torch.zeros(10)}, UpdateKind.DELTA)
    assert SecureAggregationFlower().encoded_bytes(update) == 88
