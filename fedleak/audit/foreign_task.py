"""Foreign task: an app's network and the images that its clients trained on, as a task that experiments take.

`task = "app:FOLDER"` with the folder of an audit stands for the table in its `task/task.json`.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from fedleak.audit.replay import unprefixed
from fedleak.audit.seen import State
from fedleak.audit.troubles import Unclear
from fedleak.errors import first_line
from fedleak.learning.batch import Batch, joined
from fedleak.settings.base import Table
from fedleak.settings.bundle import IMAGES
from fedleak.settings.task import AUDITED

FOLDER, TABLE = "task", "task.json"
EXPERIMENT = """# The audited app's network and images under defenses, one image each: fedleak compare experiment.toml
name = "{title}"
task = "app:."
metrics = ["psnr"]

[federation]
clients = {clients}
batch_size = 1
learning_rate = {rate:g}

[adversary]
auxiliary = {public}

[[attacks]]
use = "inverting-gradients"
steps = 400

[[defenses]]
name = "none"

[[defenses]]
name = "noise"
chain = [{{ use = "gaussian-noise", std = 1e-3 }}]

[[defenses]]
name = "clipping and noise"
chain = [{{ use = "clipping", max_norm = 0.1 }}, {{ use = "gaussian-noise", std = 1e-3 }}]
"""
FEWEST = 10
"""Different images below which clients, tests and the public share too little out among themselves."""


def write_task(
    out: Path, app: Path, title: str, network: nn.Module, start: State, truths: Sequence[Batch], facts: Table
) -> str:
    """Writes the task, its images and the app's code below `out`; returns a sentence where that cannot be, else "".

    `facts` are loss, options, normalization and learning rate as the table has them.
    """
    try:
        address = address_of(network, start, app)
    except Unclear as error:
        return f"no task of it for experiments: {error}"
    images = joined(truths)
    _, places = np.unique(images.inputs.numpy(), axis=0, return_index=True)
    if len(places) < FEWEST:
        return f"no task of it for experiments: {len(places)} different images were seen, and {FEWEST} are needed"
    folder = out / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for path in app.rglob("*.py"):
        copy = folder / path.relative_to(app)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    chosen = np.sort(places)
    np.savez(folder / IMAGES, inputs=images.inputs.numpy()[chosen], labels=images.labels.numpy()[chosen])
    (folder / IMAGES).chmod(0o600)
    rate = facts.pop("learning_rate")
    table = {"name": title, "data": AUDITED, "network": address, **facts}
    (folder / TABLE).write_text(json.dumps(table, indent=1))
    fifth = len(chosen) // 5
    clients = min(4, len(chosen) - 2 * fifth)
    text = EXPERIMENT.format(
        name=out / "experiment.toml", title=title, clients=clients, size=1, rate=rate, public=fifth
    )
    (out / "experiment.toml").write_text(text)
    return ""


def address_of(network: nn.Module, start: State, app: Path) -> str:
    """MODULE:NAME of the network's class in the app; raises `Unclear` where calling it makes no such network."""
    cls = type(network)
    module = sys.modules.get(cls.__module__)
    file = Path(getattr(module, "__file__", None) or "/")
    if not file.resolve().is_relative_to(app) or getattr(module, cls.__qualname__, None) is not cls:
        raise Unclear(f"{cls.__module__}:{cls.__qualname__} is no class at the top of a module of the app")
    name = f"{cls.__module__}:{cls.__qualname__}"
    try:
        made: dict[str, Any] = cls().state_dict()
    except Exception as error:  # a class of anybody's raises whatever it likes
        raise Unclear(f"{name} cannot be called without arguments ({first_line(error)})") from error
    shapes = {key: tuple(value.shape) for key, value in made.items()}
    if shapes != {unprefixed(key): tuple(value.shape) for key, value in start.items()}:
        raise Unclear(f"{name} called without arguments is another network")
    return name
