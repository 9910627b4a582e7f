"""Flower's Ray simulation records what the loopback records, to the last bit, and leaves nothing running."""

import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fedleak.errors import ConfigError, FederationError
from fedleak.federation import simulation
from fedleak.federation.engine import quiet_flower, run_federation
from fedleak.federation.outcome import COSTS, Cost, Outcome, client_failure, failure_of_all, read_outcome, write_outcome
from fedleak.federation.plan import FederationPlan
from fedleak.federation.processes import environment
from fedleak.settings.base import parse_settings
from fedleak.vault.alarms import raised_alarms
from fedleak.vault.model_figures import FIGURES
from tests.end_to_end.digests import at_clients, at_the_tap, listening


def plan_in(folder: Path, **changes: Any) -> FederationPlan:
    tree = {"task": "digits-mlp", "recordings": str(folder / "recordings"), "vault": str(folder / "truth"), **changes}
    return parse_settings(FederationPlan, tree)


def files(folder: Path) -> dict[str, bytes]:
    """What a federation left, but for its log and for what has a clock in it."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in (simulation.LOG, COSTS)]
    paths = [path for path in paths if not path.name.startswith(FIGURES)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def processes() -> set[str]:
    """What runs Flower or Ray, without what has ended and waits to be reaped."""
    listed = subprocess.run(["ps", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=2) for line in listed.splitlines()]
    names = ("raylet", "gcs_server", "flower-super", "flwr-simulation", "ray::")
    return {pid for pid, state, command in lines if state[0] != "Z" and any(name in command for name in names)}


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_parties_that_hold_columns_write_the_same_diaries_in_both(tmp_path: Path) -> None:
    columns = {"partition": "columns", "clients": 3, "rounds": 2, "batch_size": 8, "batches": 3, "release": "last"}
    chain = [{"use": "cut-noise", "scale": 0.1}, {"use": "nopeek", "weight": 0.1}, {"use": "slope-noise", "ratio": 1.0}]
    reports = [
        run_federation(plan_in(tmp_path / engine, federation=columns, chain=chain, utility={"rounds": 1}), engine)
        for engine in ("loopback", "simulation")
    ]
    assert reports[0].evaluation == reports[1].evaluation
    assert files(tmp_path / "loopback") == files(tmp_path / "simulation")
    assert len(list(tmp_path.glob("simulation/recordings/round-*/*.lines"))) == 2 * 4


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_flower_s_simulation_and_the_loopback_record_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does the tap that is for other people's servers: in the simulation it hears what clients get and give."""
    heard = tmp_path / "heard"
    monkeypatch.setattr(simulation, "environment", lambda home: listening(heard, environment(home)))
    settings = {
        "clients": 4,
        "rounds": 2,
        "batch_size": 8,
        "batches": 2,
        "momentum": 0.5,
        "fraction_evaluate": 0.5,
        "strategy_options": {"fraction_train": 0.75},
        "dropouts": 0.25,
    }
    masks = {"use": "secure-aggregation", "keys": "seeded", "threshold": 2}
    chain = [{"use": "gaussian-noise", "std": 0.01}, masks]
    running = processes()
    reports = [
        run_federation(
            plan_in(
                tmp_path / engine, task="digits-lenet", federation=settings, chain=chain, model={"trained_rounds": 1}
            ),
            engine,
        )
        for engine in ("loopback", "simulation")
    ]
    assert reports[0].failures == reports[1].failures
    assert {path.stem for path in reports[0].recordings} >= {"aggregate"}
    assert files(tmp_path / "loopback") == files(tmp_path / "simulation")
    assert reports[0].evaluation == reports[1].evaluation
    assert at_the_tap(heard) == at_clients(heard)
    assert all(at_clients(heard).values())
    assert processes() <= running


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_a_server_that_cheats_and_clients_that_look_do_the_same_in_both(tmp_path: Path) -> None:
    server = {"name": "two-faced", "chain": [{"use": "inconsistency", "victim": 1}], "begins": 2}
    masks = {"use": "secure-aggregation", "binds_model": False, "keys": "seeded"}
    chain = [{"use": "weight-watch", "on_alarm": "report"}, masks]
    reports = [
        run_federation(
            plan_in(tmp_path / engine, federation={"clients": 3, "rounds": 2}, chain=chain, server=server),
            engine,
        )
        for engine in ("loopback", "simulation")
    ]
    assert not reports[0].failures
    assert files(tmp_path / "loopback") == files(tmp_path / "simulation")
    saw = [raised_alarms(tmp_path / engine / "truth") for engine in ("loopback", "simulation")]
    assert saw[0] == saw[1]
    assert {(one.client, one.round) for one in saw[0]} == {(0, 2), (2, 2)}


def test_the_listener_hears_every_step_of_split_training(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    columns = {"partition": "columns", "clients": 2, "rounds": 2, "batch_size": 8, "batches": 4}
    run_federation(plan_in(tmp_path, federation=columns), listener=lambda done, total: heard.append((done, total)))
    assert heard == [(done, 4) for done in (0, 1, 1, 2, 2, 3, 3, 4)]


def test_without_ray_the_simulation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs Ray"):
        run_federation(plan_in(tmp_path), "simulation")


def test_the_listener_hears_every_update(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    plan = plan_in(tmp_path, federation={"clients": 2, "rounds": 2}, model={"trained_rounds": 1})
    run_federation(plan, listener=lambda done, total: heard.append((done, total)))
    assert heard == [(done, 6) for done in range(1, 7)]


def test_flower_is_silent_unless_fedleak_is_verbose() -> None:
    flower, ours = logging.getLogger("flwr"), logging.getLogger("fedleak")
    level = flower.level
    with quiet_flower():
        assert not flower.isEnabledFor(logging.ERROR)
    ours.setLevel(logging.INFO)
    try:
        with quiet_flower():
            assert flower.level == level
    finally:
        ours.setLevel(logging.NOTSET)
    assert flower.level == level


def test_an_outcome_survives_its_files(tmp_path: Path) -> None:
    failures = [client_failure(1, 2, "NonFiniteError: no"), client_failure(3, 2, "KeyError: 'x'")]
    cost = Cost(bytes_received=3.0, bytes_sent=2.0, bytes_encoded=1.0, client_seconds=0.5, client_memory=4.0)
    outcome = Outcome(failures=failures, evaluation={1: {"loss": 0.5}}, costs={2: cost})
    write_outcome(tmp_path, outcome, None)
    assert read_outcome(tmp_path) == outcome
    assert [failure.user_error for failure in failures] == [True, False]


@pytest.mark.parametrize(
    ("error", "raised", "sentence"),
    [(ConfigError("no"), ConfigError, "no"), (KeyError("x"), FederationError, "KeyError: 'x'")],
)
def test_the_error_that_ended_a_federation_is_raised_again(
    tmp_path: Path, error: Exception, raised: type[Exception], sentence: str
) -> None:
    write_outcome(tmp_path, Outcome(), error)
    with pytest.raises(raised) as caught:
        read_outcome(tmp_path)
    assert type(caught.value) is raised
    assert str(caught.value) == sentence


def test_only_failures_that_are_all_the_user_s_are_the_user_s() -> None:
    mine, theirs = client_failure(0, 1, "ConfigError: no"), client_failure(1, 1, "KeyError: 'x'")
    assert type(failure_of_all([mine, mine], "round 1")) is ConfigError
    assert type(failure_of_all([mine, theirs], "round 1")) is FederationError
    assert str(failure_of_all([mine], "round 1")) == "round 1: no"
