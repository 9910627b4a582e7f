"""A node takes part in no run that is below its own floor."""

from typing import Any

import pytest

from fedleak.clients.floor import Floor
from fedleak.errors import ConfigError, FederationError
from fedleak.federation.plan import FederationPlan
from fedleak.settings.base import parse_settings

CLIP = {"use": "clipping", "max_norm": 1.0}
SECAGG = {"use": "secure-aggregation"}


def plan(*chain: dict[str, Any]) -> FederationPlan:
    tree = {"task": "digits-mlp", "recordings": "r", "vault": "v", "chain": list(chain), "federation": {"clients": 4}}
    return parse_settings(FederationPlan, tree)


@pytest.mark.parametrize(
    ("config", "chain"),
    [
        ({}, []),
        ({"required-defenses": "clipping"}, [CLIP]),
        ({"required-defenses": "clipping, secure-aggregation"}, [CLIP, SECAGG]),
        ({"required-defenses": '[{"use": "clipping", "max_norm": 1}, "secure-aggregation"]'}, [CLIP, SECAGG]),
        ({"smallest-cohort": 3}, [SECAGG]),
        ({"smallest-threshold": 3}, [SECAGG]),
    ],
)
def test_a_run_that_has_it_is_taken(config: dict[str, Any], chain: list[dict[str, Any]]) -> None:
    Floor.of(config).require(plan(*chain))


@pytest.mark.parametrize(
    ("config", "chain", "sentence"),
    [
        ({"required-defenses": "clipping"}, [], "this node requires 'clipping', and the run's defenses are none"),
        (
            {"required-defenses": "secure-aggregation"},
            [CLIP],
            "requires 'secure-aggregation', .* are clipping; it refuses",
        ),
        (
            {"required-defenses": '[{"use": "clipping", "max_norm": 0.5}]'},
            [CLIP],
            "requires 'clipping' with max_norm = 0.5, and the run has max_norm = 1.0",
        ),
        ({"smallest-cohort": 3}, [CLIP], "requires a sum over 3 clients, and the run has no 'secure-aggregation'"),
        (
            {"smallest-threshold": 3, "smallest-cohort": 2},
            [],
            "requires a sum over 2 clients and a threshold of 3, and the run has no 'secure-aggregation'",
        ),
        ({"smallest-threshold": 4}, [SECAGG], "requires a threshold of 4, and the run has 3; it refuses"),
    ],
)
def test_a_run_below_it_is_refused(config: dict[str, Any], chain: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(FederationError, match=sentence):
        Floor.of(config).require(plan(*chain))


def test_who_requires_defenses_trains_in_no_round_without_any() -> None:
    with pytest.raises(FederationError, match=r"rounds before the recorded ones have none; .*trained_rounds to 0"):
        Floor.of({"required-defenses": "clipping"}).require(plan(CLIP), pretraining=True)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {"required-defenses": "cliping"},
            "node config, required-defenses: no defense is called 'cliping'; did you mean",
        ),
        ({"required-defenses": "[clipping"}, "expected names or a JSON list of tables"),
        ({"required-defenses": "[3]"}, "expected tables with a `use`, got 3"),
        ({"smallest-cohort": "many"}, "node config, smallest-cohort: expected a number of clients, got 'many'"),
        ({"smallest-cohort": True}, "expected a number of clients, got True"),
        ({"smallest-threshold": -1}, "node config, smallest-threshold: expected a number of neighbours, got -1"),
        ({"registry": "all"}, "node config, registry: expected an identity-key beside it, got none"),
        ({"registry": "all", "identity-key": "own"}, "node config, registry: expected a line .*, cannot read all"),
        ({"identity-key": "own"}, "node config, identity-key: expected a private key .*, cannot read own"),
    ],
)
def test_a_floor_that_is_none_is_one_sentence(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Floor.of(config)
