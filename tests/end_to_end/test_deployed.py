"""A deployed federation, its processes on loopback: what was received is there, whoever is killed."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.defenses.secure_aggregation import masking_of
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import read_outcome
from fedleak.federation.plan import FederationPlan
from fedleak.federation.processes import CONNECTION, environment, free_port, script
from fedleak.federation.reply import reply
from fedleak.recording.files import read_recording
from fedleak.recording.payload import RING
from fedleak.recording.recording import Recording
from fedleak.settings.base import parse_settings
from fedleak.vault.batches import withdraw
from fedleak.verification.verify import breakdowns, verify
from tests.end_to_end.digests import LISTENING, at_clients, at_the_tap, listening

KILLED: Mapping[int, str] = {0: "masked", 1: "unmask"}
"""Clients, each with the stage that finds its node dead: it is killed as soon as it is asked."""
CLIENTS = 5
SECONDS = 900

# Those that are to die are missed after 30 seconds in place of 60.
HASTY = """
if "flower-supernode" in " ".join(sys.orig_argv):
    import flwr.supernode.fleet_http_connection as fleet
    fleet.HEARTBEAT_DEFAULT_INTERVAL = 15
"""
# Whoever dies in a round does so when the update of another client in that very round is on disk, and not before.
DYING = """
import os, signal, time
from pathlib import Path
from fedleak.clients.client import Client

def stay(self, stage):
    if stage == os.environ["FEDLEAK_TEST_DIES_AT"]:
        while not Path(os.environ["FEDLEAK_TEST_WAITS_FOR"]).exists():
            time.sleep(0.05)
        os.kill(int(open(os.environ["FEDLEAK_TEST_NODE"]).read()), signal.SIGKILL)
        os._exit(1)

Client.stay = stay
"""


def plan_in(place: Path, **tree: Any) -> FederationPlan:
    places = {part: str(place / part / "none") for part in ("recordings", "vault")}
    return parse_settings(FederationPlan, {"task": "digits-mlp", **places, **tree})


@contextmanager
def deployed(deployment: ModuleType, plan: FederationPlan, place: Path, **options: Any) -> Iterator[Any]:
    """A deployment for a plan, with nodes of those that are to die in surroundings in which the app kills them."""

    @dataclass
    class Deadly(deployment.Deployment):
        killed: Mapping[int, str] = field(default_factory=dict)

        def surroundings(self, program: Any) -> dict[str, str]:
            around = listening(place, super().surroundings(program))
            number = int(program.name.rpartition("-")[2]) if program.name.startswith("supernode") else -1
            if number not in self.killed:
                return around
            early = place / f"node-{number}"
            early.mkdir()
            (early / "sitecustomize.py").write_text(LISTENING + HASTY + DYING)
            neighbour = Path(plan.recordings) / "round-0001" / f"client-{CLIENTS - 1:04d}.json"
            return {
                **around,
                "PYTHONPATH": os.pathsep.join([str(early), around["PYTHONPATH"]]),
                "FEDLEAK_TEST_DIES_AT": self.killed[number],
                "FEDLEAK_TEST_WAITS_FOR": str(neighbour),
                "FEDLEAK_TEST_NODE": str(early / "pid"),
            }

    killed = options.pop("killed", {})
    ports = tuple(free_port() for _ in range(plan.federation.clients + 1))
    own = Deadly(deployment.Layout(state=place / "state", ports=ports, **options), killed=killed)
    own.up(plan)
    try:
        for number in killed:
            (place / f"node-{number}" / "pid").write_text(str(own.started[f"supernode-{number}"][0]))
        yield own
    finally:
        own.down()
    assert not deployment.marked(own.mark), "nothing that it started is left"


def federate(own: Any, place: Path) -> None:
    run = [script("flwr", "a test"), "run", str(own.layout.app), CONNECTION, "--stream"]
    with (place / "log").open("wb") as log:
        around = environment(own.layout.home)
        subprocess.run(run, cwd=place, env=around, stdout=log, stderr=log, timeout=SECONDS, check=True)


def clear_sum(plan: FederationPlan, recording: Recording) -> np.ndarray:
    masking = masking_of(recording.chain)
    assert masking is not None
    total = np.zeros(masking.entries(recording.before), dtype=np.uint64)
    for client in recording.cohort:
        truth = withdraw(Path(plan.vault), recording.round, client)
        sent = reply(recording.task, recording.before, truth.examples, truth.training, recording.chain, truth.seed_key)
        total += masking.vector(recording.before, sent.weights, len(truth.examples), CLIENTS)
    return total


def recorded(place: Path) -> dict[Path, bytes]:
    """What was recorded of rounds, by where it lies."""
    return {
        path.relative_to(place): path.read_bytes()
        for path in (place / "recordings").rglob("*")
        if path.suffix in (".lines", ".safetensors") or (path.suffix == ".json" and path.parent.name[:5] == "round")
    }


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_nodes_that_are_killed_between_stages_cost_their_own_part_alone(tmp_path: Path, deployment: ModuleType) -> None:
    chain = [{"use": "secure-aggregation", "threshold": 3}]
    plan = plan_in(tmp_path, federation={"clients": CLIENTS}, chain=chain)
    with deployed(deployment, plan, tmp_path, killed=KILLED) as own:
        federate(own, tmp_path)
        dead = {program.name for program, fault in own.health() if fault}
    assert dead == {f"supernode-{number}" for number in KILLED}
    outcome = read_outcome(Path(plan.recordings))
    assert {one.client for one in outcome.failures} == set(KILLED)
    total = read_recording(Path(plan.recordings) / "round-0001" / "aggregate.json")
    assert total.cohort == (1, 2, 3, 4)
    assert np.array_equal(total.payload[RING].numpy().view(np.uint64), clear_sum(plan, total))


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_two_rounds_under_tls_are_those_of_one_process_and_a_strangers_key_is_refused(
    tmp_path: Path, deployment: ModuleType
) -> None:
    plan, near = (plan_in(tmp_path / name, federation={"clients": 2, "rounds": 2}) for name in ("deployed", "loopback"))
    with deployed(deployment, plan, tmp_path, tls=True, isolation="process") as own:
        [key, _] = deployment.authority.node_key(tmp_path / "stranger.key")
        stranger = own.layout.supernode(0, key, free_port())
        around = environment(own.layout.home)
        refused = subprocess.run(stranger, env=around, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert refused.returncode == 1
        assert "Failed to activate SuperNode" in refused.stdout + refused.stderr
        federate(own, tmp_path)
    run_federation(near)
    written = recorded(tmp_path / "deployed")
    assert len(written) == 2 * 2 * 2
    assert written == recorded(tmp_path / "loopback")
    assert at_the_tap(tmp_path) == at_clients(tmp_path)
    assert all(at_clients(tmp_path).values())
    assert [check.verdict for check in verify(tmp_path / "deployed")] == ["agrees"] * 4
    assert not breakdowns(tmp_path / "deployed")
    message = Path(plan.recordings) / "round-0002" / "client-0001.json"
    attack = ["attack", str(message), "--use", "dlg", "--set", "steps=20", "--out", str(tmp_path / "guess.png")]
    said = CliRunner().invoke(app, attack)
    assert said.exit_code == 0, said.output
    assert "psnr" in said.output


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_parties_on_nodes_of_their_own_write_the_diaries_of_one_process(tmp_path: Path, deployment: ModuleType) -> None:
    federation = {"partition": "columns", "clients": 3, "rounds": 2, "batch_size": 16, "batches": 1, "cut": 3}
    plan, near = (plan_in(tmp_path / name, federation=federation) for name in ("deployed", "loopback"))
    with deployed(deployment, plan, tmp_path) as own:
        federate(own, tmp_path)
    run_federation(near)
    written = recorded(tmp_path / "deployed")
    assert len(written) == 3 + 2 * 4 * 3  # columns once; a pair of files and the lines of four, twice
    assert written == recorded(tmp_path / "loopback")
    assert at_the_tap(tmp_path) == at_clients(tmp_path)
    assert all(at_clients(tmp_path).values())
