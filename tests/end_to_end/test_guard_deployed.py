"""A site that guards whatever app comes: an app as it came, on a SuperNode whose `flwr-clientapp` is the guard's."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from fedleak.federation import simulation
from fedleak.federation.processes import CONNECTION, environment, free_port, script, started, write_home

SECONDS = 300
PROJECT = """
[project]
name = "visitor"
version = "1.0.0"
description = "A visiting app."
license = "Apache-2.0"
dependencies = []
[tool.flwr.app]
publisher = "somebody"
[tool.flwr.app.components]
serverapp = "visitor.apps:server"
clientapp = "visitor.apps:client"
[tool.flwr.app.config]
"""
APPS = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

client = ClientApp()
server = ServerApp()


@client.train()
def train(message, context):
    number = message.content.config_records["config"]["server-round"]
    before = message.content.array_records["arrays"]["w"].numpy()
    if number == 3:
        raise ValueError("pixels")
    after = before + np.float32(0.01 if number == 1 else 10)
    content = {"arrays": ArrayRecord({"w": Array(after)}), "metrics": MetricRecord({"num-examples": 50})}
    return Message(RecordDict(content), reply_to=message)


@server.main()
def main(grid, context):
    strategy = FedAvg(min_train_nodes=1, min_available_nodes=1, fraction_evaluate=0.0)
    first = ArrayRecord({"w": Array(np.ones((4, 4), np.float32))})
    result = strategy.start(grid, first, num_rounds=3)
    print("ended with", result.arrays["w"].numpy().max())
"""
POLICY = """
[messages.train]
arrays = true
rounds = 5
[messages.train.metrics]
num-examples = { min = 20, max = 1000, whole = true, required = true }
[arrays]
max_norm = 1.0
"""


def written(place: Path, port: int) -> Path:
    """The app, Flower's home, and the site with its policy and a command of its own."""
    app = place / "app"
    for folder in (app / "visitor", place / "home", place / "site", place / "bin"):
        folder.mkdir(parents=True)
    (app / "pyproject.toml").write_text(PROJECT)
    (app / "visitor" / "__init__.py").touch()
    (app / "visitor" / "apps.py").write_text(APPS)
    write_home(place / "home", f"127.0.0.1:{port}")
    (place / "site" / "policy.toml").write_text(POLICY)
    command = place / "bin" / "flwr-clientapp"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m fedleak.guard.app "$@"\n')
    command.chmod(0o755)
    return app


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_what_breaks_the_site_s_policy_never_reaches_the_server(tmp_path: Path) -> None:
    port = free_port()
    app, around = written(tmp_path, port), environment(tmp_path / "home")
    path = os.pathsep.join([str(tmp_path / "bin"), around["PATH"]])
    site = {**around, "PATH": path, "FEDLEAK_GUARD": str(tmp_path / "site" / "policy.toml")}
    superlink = [one for one in simulation._superlink(port) if one not in ("--simulation", "--isolation", "process")]
    addresses = ["--superlink", f"127.0.0.1:{port}", "--host", "127.0.0.1", "--port", str(free_port())]
    node = [script("flower-supernode", "a test"), "--insecure", *addresses]
    with ExitStack() as stack, (tmp_path / "log").open("wb") as log:
        stack.enter_context(started(superlink, app, around, log))
        simulation._wait_for_port(port, tmp_path)
        stack.enter_context(started(node, app, site, log))
        run = [script("flwr", "a test"), "run", str(app), CONNECTION, "--stream"]
        ran = subprocess.run(run, cwd=app, env=around, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ended with 1.01" in ran.stdout
    assert "refuses: the change has a norm of 40, and at most 1 may leave (arrays.max_norm)" in ran.stdout
    assert "the app failed, and the site's journal says how (app)" in ran.stdout
    assert "pixels" not in ran.stdout
    rows = [json.loads(line) for line in (tmp_path / "site" / "guard-journal.jsonl").read_text().splitlines()]
    assert [(row["round"], row["rule"]) for row in rows] == [("2", "arrays.max_norm"), ("3", "app")]
    assert "pixels" in rows[1]["detail"]
