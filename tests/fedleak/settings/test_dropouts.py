"""Who leaves: a share drawn by the seed, or those that the experiment names; nobody is a mistake."""

from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.federation.plan import FederationPlan
from fedleak.settings.base import parse_settings


def plan(dropouts: Any, clients: int = 4, **more: Any) -> FederationPlan:
    federation = {"clients": clients, "rounds": 3, "dropouts": dropouts}
    return parse_settings(
        FederationPlan, {"task": "digits-mlp", "recordings": "r", "vault": "v", "federation": federation, **more}
    )


@pytest.mark.parametrize("dropouts", [0.0, 0.25, [{"client": 1, "round": 2}], [{"client": 3, "stage": "advertise"}]])
def test_they_cross_flower_s_run_config(dropouts: Any) -> None:
    there = plan(dropouts)
    assert FederationPlan.from_run_config(there.to_run_config()) == there


@pytest.mark.parametrize(
    ("dropouts", "sentence"),
    [
        (0.1, r"dropouts: 0.1 of 4 clients is nobody; give 0.12 or more, or 0 for none"),
        ([], "expected a share, or tables of who leaves when, got an empty list"),
        ([{"client": 4}], r"dropouts.0: there is no client 4; the federation has 4 clients, from 0"),
        ([{"client": 0}, {"client": 1, "round": 4}], r"dropouts.1: there is no round 4; .* 3 rounds, from 1"),
        (1.5, r"expected a share from 0 to 1, or a list of tables of a client, a round and a stage, got 1.5"),
        ("some", "expected a share from 0 to 1, or a list"),
        ([{"client": 1, "stage": "late"}], r"expected tables of a client, a round and a stage \(advertise, share"),
        ([{"round": 1}], "expected tables of a client, a round and a stage"),
        ([{"client": 1, "when": 2}], "expected tables of a client, a round and a stage"),
    ],
)
def test_what_names_nobody_or_is_none_is_one_sentence(dropouts: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        plan(dropouts)
