"""Simulation engine of an audit: the app in Flower's own simulation on Ray, and what it tells by mail."""

import time
from pathlib import Path
from typing import Any

import torch
from flwr.clientapp import ClientApp

from fedleak.audit.mail import Mail
from fedleak.audit.settings import written
from fedleak.audit.simulated import SETTINGS
from fedleak.audit.stage import Stage
from fedleak.audit.troubles import AuditError
from fedleak.federation.processes import last_words, write_app
from fedleak.federation.simulation import nodes_of, require_ray, simulation

LOG = "app.log"
POLL_SECONDS = 0.2
LONGEST_HOME = 40
"""Characters of a folder in which Ray's sockets still have names that a system takes."""


def simulate(stage: Stage, server: Any, client: ClientApp) -> None:  # noqa: ARG001  loaded where they are called
    """Runs Flower's simulation until the audited rounds are over; it is gone before anything is attacked."""
    settings = stage.settings
    require_ray()
    mail, home = Mail(settings.private), settings.private
    more = {SETTINGS: str(written(settings, home / "settings.json")), "PYTHONDONTWRITEBYTECODE": "1", "RAY_ADDRESS": ""}
    if len(str(home)) <= LONGEST_HOME:
        more["RAY_TMPDIR"] = str(home)
    name = "fedleak.audit.simulated"
    app = write_app(home / "app", settings.config, f"{name}:server", f"{name}:client")
    nodes = nodes_of(settings.clients, gpu=torch.cuda.is_available())

    groups: list[int] = []

    def begun(group: int) -> None:
        groups.append(group)
        stage.say({"event": "groups", "numbers": groups})

    with simulation(app, home, nodes, settings.out / LOG, place=Path.cwd(), more=more, begun=begun) as run:
        running = True
        while running and not stage.over.is_set():
            running = run.poll() is None
            for event, given in mail.events():
                getattr(stage, event)(*given)
            time.sleep(POLL_SECONDS)
    stage.say({"event": "groups", "numbers": []})
    if not stage.over.is_set():
        raise AuditError(f"Flower's simulation ended before the server did{last_words(settings.out / LOG)}")
    for event, given in mail.updates():
        getattr(stage, event)(*given)
