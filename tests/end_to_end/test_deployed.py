"""A deployed federation, its processes on loopback: who is killed between stages costs its own part alone."""

import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from fedleak.defenses.secure_aggregation import masking_of
from fedleak.federation import simulation
from fedleak.federation.engine import CLIENT_APP, SERVER_APP, run_federation
from fedleak.federation.outcome import read_outcome
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.recording.files import read_recording
from fedleak.recording.payload import RING
from fedleak.recording.recording import Recording
from fedleak.settings.base import parse_settings
from fedleak.vault.batches import withdraw

KILLED: Mapping[int, str] = {0: "masked", 1: "unmask"}
"""Clients, each with the stage that finds its node dead: it is killed as soon as it is asked."""
CLIENTS = 5
SECONDS = 900

# Those that are to die are missed after 30 seconds in place of 60.
HASTY = """
import sys
if "supernode" in " ".join(sys.orig_argv):
    import flwr.supernode.fleet_http_connection as fleet
    fleet.HEARTBEAT_DEFAULT_INTERVAL = 15
import fedleak
"""
DYING = """
import os, signal
from fedleak.clients.client import Client

def stay(self, stage):
    if stage == os.environ["FEDLEAK_TEST_DIES_AT"]:
        os.kill(int(open(os.environ["FEDLEAK_TEST_NODE"]).read()), signal.SIGKILL)
        os._exit(1)

Client.stay = stay
"""


def node(number: int, superlink: int, clients: int) -> list[str]:
    """What starts a client's node."""
    addresses = ["--superlink", f"127.0.0.1:{superlink}", "--host", "127.0.0.1", "--port", str(simulation._free_port())]
    place = ["--node-config", f"partition-id={number} num-partitions={clients}"]
    return [simulation._script("flower-supernode"), "--insecure", *addresses, *place]


def surroundings(place: Path, number: int, environment: dict[str, str], killed: Mapping[int, str]) -> dict[str, str]:
    """The environment of a node; of those that are to die, one in which the app kills it."""
    if number not in killed:
        return environment
    early = place / f"node-{number}"
    early.mkdir()
    (early / "sitecustomize.py").write_text(HASTY + DYING)
    path = os.pathsep.join([str(early), environment["PYTHONPATH"]])
    own = {"PYTHONPATH": path, "FEDLEAK_TEST_DIES_AT": killed[number], "FEDLEAK_TEST_NODE": str(early / "pid")}
    return {**environment, **own}


def federate(plan: FederationPlan, place: Path, killed: Mapping[int, str]) -> None:
    """Runs the plan with a SuperLink, nodes and `flwr run` as processes of their own."""
    port, home = simulation._free_port(), place / "home"
    home.mkdir()
    app = simulation._write_app(home, plan, SERVER_APP, CLIENT_APP, port)
    environment = simulation._environment(home)
    superlink = [one for one in simulation._superlink(port) if one not in ("--simulation", "--isolation", "process")]
    Path(plan.recordings).mkdir(parents=True)
    with ExitStack() as stack, (place / "log").open("wb") as log:
        stack.enter_context(simulation._started(superlink, app, environment, log.fileno()))
        simulation._wait_for_port(port, Path(plan.recordings))
        for number in range(plan.federation.clients):
            around = surroundings(place, number, environment, killed)
            starting = node(number, port, plan.federation.clients)
            process = stack.enter_context(simulation._started(starting, app, around, log.fileno()))
            if number in killed:
                (place / f"node-{number}" / "pid").write_text(str(process.pid))
        run = [simulation._script("flwr"), "run", str(app), "here", "--stream"]
        subprocess.run(run, cwd=app, env=environment, stdout=log, stderr=log, timeout=SECONDS, check=True)


def clear_sum(plan: FederationPlan, recording: Recording) -> np.ndarray:
    masking = masking_of(recording.chain)
    assert masking is not None
    total = np.zeros(masking.entries(recording.before), dtype=np.uint64)
    for client in recording.cohort:
        truth = withdraw(Path(plan.vault), recording.round, client)
        sent = reply(recording.task, recording.before, truth.examples, truth.training, recording.chain, truth.seed_key)
        total += masking.vector(recording.before, sent.weights, len(truth.examples), CLIENTS)
    return total


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_nodes_that_are_killed_between_stages_cost_their_own_part_alone(tmp_path: Path) -> None:
    plan = parse_settings(
        FederationPlan,
        {
            "task": "digits-mlp",
            "recordings": str(tmp_path / "recordings"),
            "vault": str(tmp_path / "vault"),
            "federation": {"clients": CLIENTS},
            "chain": [{"use": "secure-aggregation", "threshold": 3}],
        },
    )
    federate(plan, tmp_path, KILLED)
    outcome = read_outcome(Path(plan.recordings))
    assert {one.client for one in outcome.failures} == set(KILLED)
    total = read_recording(Path(plan.recordings) / "round-0001" / "aggregate.json")
    assert total.cohort == (1, 2, 3, 4)
    assert np.array_equal(total.payload[RING].numpy().view(np.uint64), clear_sum(plan, total))


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_parties_on_nodes_of_their_own_write_the_diaries_of_one_process(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("deployed", "loopback")}
    federation = {"partition": "columns", "clients": 3, "rounds": 2, "batch_size": 16, "batches": 1, "cut": 3}
    plans = {
        name: parse_settings(
            FederationPlan,
            {
                "task": "digits-mlp",
                "recordings": str(place / "recordings"),
                "vault": str(place / "vault"),
                "federation": federation,
            },
        )
        for name, place in places.items()
    }
    places["deployed"].mkdir()
    federate(plans["deployed"], places["deployed"], {})
    run_federation(plans["loopback"])
    written = {
        name: {
            path.relative_to(place): path.read_bytes()
            for path in (place / "recordings").rglob("*")
            if path.suffix in (".lines", ".safetensors") or (path.suffix == ".json" and path.parent.name[:5] == "round")
        }
        for name, place in places.items()
    }
    assert len(written["loopback"]) == 3 + 2 * 4 * 3  # columns once; a pair of files and the lines of four, twice
    assert written["deployed"] == written["loopback"]
