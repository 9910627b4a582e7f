"""Model consistency: who has signed the same model, and in which runs clients compare at all."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fedleak.contracts.chain import Chain
from fedleak.contracts.received import Received
from fedleak.defenses.model_consistency import ModelConsistency, compares
from fedleak.errors import ConfigError
from fedleak.settings.federation import FederationSettings

SAME, OTHER = b"as sent", b"another"


@pytest.mark.parametrize(
    ("digests", "differing"),
    [
        ({0: SAME, 1: SAME, 2: SAME}, 0.0),
        ({0: SAME, 1: OTHER, 2: SAME}, 1.0),
        ({0: SAME, 1: SAME}, 1.0),
        ({0: OTHER, 1: OTHER, 2: OTHER}, 3.0),
        ({}, 3.0),
    ],
)
def test_it_counts_the_clients_that_have_not_signed_this_model(
    digests: Mapping[int, bytes], differing: float, honest: Received
) -> None:
    received = replace(honest, cohort=3, digests=digests)
    assert ModelConsistency().statistics(received) == {"differing": differing}
    alarm = ModelConsistency().inspect(received)
    assert (alarm is not None) is (differing > 0)


@pytest.mark.parametrize(
    ("digests", "differing"),
    [({0: SAME, 1: SAME}, 0.0), ({0: SAME, 1: OTHER}, 1.0), ({0: OTHER, 1: OTHER}, 2.0), ({}, 0.0)],
)
def test_where_masks_are_bound_another_model_counts_and_who_left_does_not(
    digests: Mapping[int, bytes], differing: float, honest: Received
) -> None:
    received = replace(honest, cohort=3, digests=digests, bound=True)
    assert ModelConsistency().statistics(received) == {"differing": differing}


def test_hashes_are_exchanged_whatever_masks_are_bound_to(honest: Received) -> None:
    bound, unbound = ({"use": "secure-aggregation", "binds_model": binds} for binds in (True, False))
    consistent = {"use": "model-consistency"}
    chains: list[tuple[list[dict[str, Any]], bool]] = [
        ([consistent], True),
        ([consistent, unbound], True),
        ([consistent, bound], True),
        ([unbound], False),
        ([], False),
    ]
    for tables, exchanged in chains:
        assert compares(Chain.build(tuple(tables))) is exchanged
    assert ModelConsistency().inspect(replace(honest, digests=None)) is None


def test_a_round_of_one_client_has_nobody_to_compare_with() -> None:
    with pytest.raises(ConfigError, match="a round of this run has one; raise federation"):
        ModelConsistency().planned((FederationSettings(clients=1),))
    assert ModelConsistency().planned((FederationSettings(clients=2),)) == ModelConsistency()


@pytest.mark.parametrize("table", [{"use": "secure-aggregation-flower"}, {"use": "pate", "std": 1.0, "queries": 10}])
def test_it_has_no_place_in_a_protocol_that_trains_otherwise(table: dict[str, Any]) -> None:
    protocol = table["use"]
    with pytest.raises(ConfigError, match=f"for which '{protocol}' has no place; take 'secure-aggregation'"):
        Chain.build(({"use": "model-consistency"}, table))
