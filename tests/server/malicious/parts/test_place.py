"""What a lying server has to work with: refusals that are no errors, and what takes the place of a masked vector."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fedleak.errors import FederationError
from fedleak.federation.outcome import ClientFailure
from fedleak.federation.plan import FederationPlan
from fedleak.learning.weights import Weights
from fedleak.recording.files import read_recording
from fedleak.server.malicious.parts.place import Place
from fedleak.server.recorder import Recorder
from fedleak.settings.base import parse_settings
from fedleak.tasks import initial_weights

REFUSED = {"round": 1, "reason": "FederationError: no", "user_error": False}


class Failing:
    """Stands for a roster; nothing else of one is asked for."""

    def __init__(self) -> None:
        self.failures = [ClientFailure(client=2, **REFUSED)]


@pytest.fixture
def place(tmp_path: Path) -> Any:
    tree = {
        "task": "digits-mlp",
        "recordings": str(tmp_path / "r"),
        "vault": str(tmp_path / "v"),
        "federation": {"rounds": 3},
        "server": {"name": "s", "chain": [{"use": "sybils"}], "begins": 2},
    }
    plan = parse_settings(FederationPlan, tree)
    own = object.__new__(Place)
    for name, value in {"plan": plan, "roster": Failing(), "recorder": Recorder(plan), "grid": None}.items():
        object.__setattr__(own, name, value)
    return own


def all_refuse() -> None:
    raise FederationError("nobody answers")


def test_it_lies_in_recorded_rounds_once_it_has_begun(place: Any) -> None:
    assert [round for round in range(1, 6) if place.lies_in(round)] == [2, 3]


def test_who_refuses_within_the_block_is_no_error_and_no_round_is_lost_there(place: Any) -> None:
    with place.aside(5):
        place.roster.failures += [ClientFailure(client=one, **REFUSED) for one in (1, None)]
        all_refuse()
    assert [(one.client, one.round, one.planned) for one in place.roster.failures] == [(2, 1, False), (1, 5, True)]


def test_mistakes_of_the_user_are_still_theirs(place: Any) -> None:
    with place.aside(5):
        place.roster.failures.append(ClientFailure(client=1, round=1, reason="ConfigError: no", user_error=True))
    assert not place.roster.failures[-1].planned


def test_what_it_got_takes_the_place_of_what_was_recorded(place: Any, tmp_path: Path) -> None:
    before = initial_weights("digits-mlp", 0)
    state = {name: value + 1 for name, value in before.state_dict().items()}
    place.keep(0, 1, state, 7)
    assert not list((tmp_path / "r").rglob("*.json"))
    place.recorder._write("masked", (0,), 1, before, {}, None, {"train_loss": 2.0})
    place.keep(0, 1, state, 7)
    [path] = (tmp_path / "r").rglob("*.json")
    found = read_recording(path)
    assert (found.kind, found.num_examples, found.server, found.metrics) == ("weights", 7, "s", {"train_loss": 2.0})
    assert isinstance(found.before, Weights)
    assert all(torch.equal(value, state[name]) for name, value in found.payload.items())
