"""Several manipulations of one server: victims that are attacked, and what has no room beside another."""

from typing import Any

import pytest

from fedleak.contracts.manipulated import built, require_fitting
from fedleak.contracts.manipulation import Manipulation, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import task_of

AIMED = [one.name for one in manipulations if one.aims_at is not Manipulation.aims_at and one.name != "stealthy"]
HIDDEN = {"use": "stealthy", "manipulation": {"use": "inconsistency", "victim": 2}}


def terms(victims: int | None = None) -> ServerTerms:
    return ServerTerms(
        federation=FederationSettings(clients=4),
        task=task_of("digits-mlp"),
        protocol="secure-aggregation",
        victims=victims,
    )


def require(*tables: dict[str, Any], victims: int | None = None) -> None:
    require_fitting(built(tables), terms(victims))


def test_there_are_some_with_a_victim() -> None:
    assert {"inconsistency", "sybils", "asks-twice"} <= {*AIMED}


@pytest.mark.parametrize("table", [*({"use": name, "victim": 2} for name in AIMED), HIDDEN], ids=str)
def test_a_victim_is_one_whose_messages_are_attacked(table: dict[str, Any]) -> None:
    require(table)
    require(table, victims=3)
    with pytest.raises(ConfigError, match=r"server\.chain\.0: .* is after client 2, .* set adversary\.victims to 3"):
        require(table, victims=2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"use": "inconsistency"}, {"use": "inconsistency", "victim": 1}),
        ({"use": "inconsistency"}, {"use": "stealthy", "manipulation": {"use": "inconsistency", "victim": 1}}),
        ({"use": "sybils"}, {"use": "asks-twice", "victim": 1}),
        ({"use": "lies-about-dropouts"}, {"use": "forged-roster", "victim": 1}),
        ({"use": "says-pretraining"}, {"use": "asks-twice"}),
    ],
)
def test_of_two_that_undo_each_other_neither_is_dropped_in_silence(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    for one, other in ((first, second), (second, first)):
        with pytest.raises(ConfigError, match=r"server\.chain\.1: .* of server\.chain\.0 would undo each other"):
            require(one, other)


def test_others_stand_in_one_chain() -> None:
    require({"use": "asks-twice"}, {"use": "asks-twice", "victim": 1}, {"use": "inconsistency", "victim": 1})
    require({"use": "says-pretraining", "victim": 3}, {"use": "lies-about-dropouts"})
