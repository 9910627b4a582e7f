"""`fedleak demo`: the experiment that comes with fedleak."""

from importlib.resources import as_file, files

from fedleak.cli.options import CORES, DEMO_FOLDER, EngineName, FormOption, Jobs, Out, Overwrite
from fedleak.cli.run import execute
from fedleak.experiment.grid import load_campaign

PRESET = "demo.toml"


def command(
    out: Out = DEMO_FOLDER,
    jobs: Jobs = CORES,
    engine: EngineName = "loopback",
    overwrite: Overwrite = False,
    form: FormOption = "table",
) -> None:
    """Run the main job: four clients, five defenses, color photos; about a minute on two cores."""
    with as_file(files("fedleak") / "presets" / PRESET) as path:
        campaign = load_campaign(path)
    execute(campaign, out, jobs=jobs, engine=engine, overwrite=overwrite, form=form)
