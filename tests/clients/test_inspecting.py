"""What a client does about a model that its checks see something in."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message

from fedleak.federation import wire
from fedleak.vault.alarms import RaisedAlarm, raised_alarms

from .conftest import LyingServer

Lying = Callable[..., LyingServer]
ROUNDS: Mapping[str, Any] = {"federation": {"rounds": 5, "batch_size": 8}}


def watching(**options: Any) -> dict[str, Any]:
    return {**ROUNDS, "chain": [{"use": "weight-watch", **options}]}


def seen_in(folder: Path) -> list[RaisedAlarm]:
    return raised_alarms(folder / "t")


def asked(server: LyingServer, round: int, **said: Any) -> Message:
    return server.ask(**{wire.ROUND: round}, **said)


def test_it_leaves_the_round_and_says_why_without_a_figure(lying_server: Lying, tmp_path: Path) -> None:
    server = lying_server(**watching())
    assert not asked(server, 1).has_error()
    reason = server.refusal(dead=True, **{wire.ROUND: 2})
    assert reason == (
        "ModelRefused: client 0 refuses the model of round 2: weight-watch says that the weights of '1.weight' changed "
        "more since the last round than training changes them"
    )
    [alarm] = seen_in(tmp_path)
    assert (alarm.client, alarm.round, alarm.defense, alarm.refused) == (0, 2, "weight-watch", True)
    assert "(change 1, threshold" in alarm.sentence
    assert not (tmp_path / "t" / "round-0002" / "client-0000.json").exists(), "it did not train"


def test_a_model_that_was_refused_is_not_what_the_next_is_compared_with(lying_server: Lying) -> None:
    server = lying_server(**watching(looks_at=["change"]))
    assert not asked(server, 1).has_error()
    assert asked(server, 2, dead=True).has_error()
    assert asked(server, 3, dead=True).has_error()
    assert not asked(server, 4).has_error(), "the honest one again"


def test_the_first_model_has_none_before_it(lying_server: Lying) -> None:
    server = lying_server(**watching(looks_at=["change"]))
    assert not asked(server, 1, dead=True).has_error()
    assert "changed more" in server.refusal(**{wire.ROUND: 2})


def test_who_only_reports_trains_as_if_nothing_had_been_seen(lying_server: Lying, tmp_path: Path) -> None:
    plain, server = lying_server(**ROUNDS), lying_server(**watching(on_alarm="report"))
    for round, dead in ((1, False), (2, True)):
        told, silent = (asked(one, round, dead=dead).content for one in (server, plain))
        assert wire.metrics_of(told) == wire.metrics_of(silent)
        assert wire.model_digest(told) == wire.model_digest(silent)
        assert {name: set(record) for name, record in told.items()} == {
            name: set(record) for name, record in silent.items()
        }, "nothing more crosses the wire"
    [alarm] = seen_in(tmp_path)
    assert (alarm.round, alarm.refused) == (2, False)


def test_a_round_that_is_asked_for_once_more_is_compared_with_the_one_before(lying_server: Lying) -> None:
    server = lying_server(**watching(looks_at=["change"], change=0.0))
    assert not asked(server, 1).has_error()
    assert not asked(server, 2).has_error()
    assert wire.model_digest(asked(server, 2).content) == wire.model_digest(asked(server, 2).content)


def test_rounds_before_the_recorded_ones_are_not_looked_at(lying_server: Lying, tmp_path: Path) -> None:
    server = lying_server(**watching(), model={"trained_rounds": 1})
    assert not asked(server, 1, dead=True, **{wire.PRETRAINING: True}).has_error()
    assert seen_in(tmp_path) == []


@pytest.mark.parametrize("first", ["refuse", "report"])
def test_of_several_checks_each_keeps_its_alarm_and_one_that_refuses_is_enough(
    first: str, lying_server: Lying, tmp_path: Path
) -> None:
    second = "report" if first == "refuse" else "refuse"
    checks = [{"use": "weight-watch", "looks_at": ["scale"], "on_alarm": first}]
    checks += [{"use": "weight-watch", "looks_at": ["dead"], "on_alarm": second}]
    server = lying_server(**ROUNDS, chain=[*checks, {"use": "clipping", "max_norm": 1.0}])
    assert server.refusal(dead=True).startswith("ModelRefused: client 0 refuses the model of round 1")
    assert [alarm.refused for alarm in seen_in(tmp_path)] == [first == "refuse", second == "refuse"]
