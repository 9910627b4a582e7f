"""What a lie is refused for before anything runs, and where it stands."""

from pathlib import Path
from typing import Any

import pytest

from fedleak.contracts.manipulation import ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.server.malicious.parts.lie import Lie
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import task_of

LIES = [one for one in manipulations if issubclass(one, Lie)]


def terms(protocol: str | None, clients: int = 4) -> ServerTerms:
    return ServerTerms(federation=FederationSettings(clients=clients), task=task_of("digits-mlp"), protocol=protocol)


def test_there_are_five() -> None:
    names = ["asks-twice", "forged-roster", "lies-about-dropouts", "says-pretraining", "sybils"]
    assert [one.name for one in LIES] == names
    assert all(one().victim == 0 and one.trains_on and one.sends_alike and not one.ships for one in LIES)


@pytest.mark.parametrize("cls", LIES, ids=lambda one: one.name)
def test_a_victim_is_a_client(cls: type[Any]) -> None:
    cls(victim=3).require(terms("secure-aggregation"))
    with pytest.raises(ConfigError, match="expected a victim that is one of the 4 clients, 0 to 3, got 4"):
        cls(victim=4).require(terms("secure-aggregation"))
    with pytest.raises(ConfigError, match="victim"):
        manipulations.build(cls.name, {"victim": -1})


@pytest.mark.parametrize("cls", LIES, ids=lambda one: one.name)
def test_a_lie_takes_a_protocol_to_lie_in(cls: type[Any]) -> None:
    cls().require(terms("secure-aggregation-flower"))
    if cls.name == "says-pretraining":
        cls().require(terms(None))
    else:
        with pytest.raises(ConfigError, match=r"expected a run under 'secure-aggregation' or .* updates in the clear"):
            cls().require(terms(None))
    with pytest.raises(ConfigError, match="and it has 'homomorphic-aggregation'"):
        cls().require(terms("homomorphic-aggregation"))


@pytest.mark.parametrize("hidden", [False, True])
def test_whoever_is_after_a_client_that_is_never_sampled_is_told_so(tmp_path: Path, hidden: bool) -> None:
    does: dict[str, Any] = {"use": "inconsistency", "victim": 3}
    tree = {
        "task": "digits-mlp",
        "recordings": str(tmp_path / "recordings"),
        "vault": str(tmp_path / "vault"),
        "federation": {"clients": 4, "batch_size": 2, "strategy_options": {"fraction_train": 0.5}},
        "chain": [{"use": "secure-aggregation", "binds_model": False}],
        "server": {"name": "own", "chain": [{"use": "stealthy", "manipulation": does} if hidden else does]},
    }
    with pytest.raises(ConfigError, match="expected a victim that is sampled in a round from 1 to 1, got client 3"):
        run_federation(parse_settings(FederationPlan, tree))
