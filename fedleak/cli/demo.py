"""`fedleak demo`: the experiment that comes with fedleak."""

import os
from importlib.resources import as_file, files
from pathlib import Path

from fedleak.cli.options import EngineName, Jobs, Out, Overwrite, say_loading

PRESET = "demo.toml"
JOBS = min(os.cpu_count() or 1, 8)
"""A process for each core, up to what the demo's few cells can use."""


def demo(
    out: Out = Path("runs/demo"),
    jobs: Jobs = JOBS,
    engine: EngineName = "loopback",
    overwrite: Overwrite = False,
) -> None:
    """Run the main job: four clients, five defenses, colour photos; about a minute on two cores."""
    say_loading()
    from fedleak.campaign.preload import warm_up

    warm_up(1 if engine == "ray" else jobs)
    from fedleak.cli.run import execute
    from fedleak.experiment.grid import load_campaign

    with as_file(files("fedleak") / "presets" / PRESET) as path:
        campaign = load_campaign(path)
    execute(campaign, out, jobs=jobs, engine=engine, overwrite=overwrite)
