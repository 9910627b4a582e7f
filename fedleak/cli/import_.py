"""`fedleak import`: an update of a federation that fedleak did not run, as a recording."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fedleak.errors import ConfigError, OutputError, did_you_mean
from fedleak.experiment.grid import load_campaign
from fedleak.experiment.overrides import key_and_value
from fedleak.formatting import counted, listed
from fedleak.io.tensors import FACTS, beside
from fedleak.learning.training import LocalTraining
from fedleak.recording.files import write_recording
from fedleak.recording.imported import Told, imported_gradient, imported_journal, imported_update
from fedleak.recording.recording import Recording
from fedleak.settings.base import Table, parse_settings
from fedleak.settings.federation import FederationSettings
from fedleak.settings.task import TaskSettings

EXPERIMENT = ".toml"
FACTS_OF_TRAINING = tuple(
    name for name in LocalTraining.__dataclass_fields__ if name in FederationSettings.model_fields
)
NOT_ASSUMED = ("batch_size", "batches", "epochs", "learning_rate")
"""What is unknown to attacks where nobody says it; the rest is then as in an experiment file."""
ONE_STEP = {"batches": 1, "epochs": 1, "learning_rate": 1.0}
"""What makes of a gradient an update, and back."""


def task_named(what: str) -> TaskSettings:
    """The task of a name, or the first of an experiment file; raises `ConfigError`."""
    return load_campaign(Path(what)).first.task if what.endswith(EXPERIMENT) else TaskSettings.model_validate(what)


def training_told(settings: list[str], examples: int | None, *, of_gradient: bool) -> LocalTraining:
    """How clients trained, as far as somebody says; raises `ConfigError`."""
    table: Table = dict(key_and_value(setting, "key=value, as in --set learning_rate=0.05") for setting in settings)
    for key in table:
        if key not in FACTS_OF_TRAINING:
            raise ConfigError(f"--set {key}: says not how a client trained{did_you_mean(key, FACTS_OF_TRAINING)}")
        if of_gradient and key in ONE_STEP:
            raise ConfigError(f"--set {key}: a gradient is of one batch and of no step; leave it out")
    table |= ONE_STEP if of_gradient else {}
    if examples is not None and table.get("batches") == 1:
        table.setdefault("batch_size", examples)
    training = parse_settings(FederationSettings, table, "--set").training()
    return training.hiding(tuple(name for name in NOT_ASSUMED if name not in table))


def imported(sources: list[Path], told: Told, *, gradients: bool) -> list[Recording]:
    """The recordings of what is named; of a folder what is none is said on stderr."""
    if len(sources) == 1 and not gradients and (sources[0].is_dir() or not sources[0].suffix):
        found = list(imported_journal(sources[0], told))
        for recording, who in found:
            if recording is None:
                typer.echo(f"left out  {who}", err=True)
        return [recording for recording, _ in found if recording is not None]
    if len(sources) != 2:
        raise ConfigError(
            f"expected two files, the state before and after training, or a folder of the tap, got {len(sources)}"
        )
    before, after = sources
    return [imported_gradient(before, after, told) if gradients else imported_update(before, after, told)]


def write_all(recordings: list[Recording], out: Path, *, overwrite: bool) -> list[Path]:
    """Writes recordings below a folder; raises `OutputError` where one is there already, before any is written."""
    there = [path for one in recordings if (path := beside(out / one.stem, FACTS)).exists()]
    if there and not overwrite:
        raise OutputError(f"{there[0]} is there already; choose another --out, or --overwrite")
    return [write_recording(out, one) for one in recordings]


def say(recordings: list[Recording], paths: list[Path]) -> None:
    """What was written, what attacks do not know, and how to go on."""
    rounds, clients = {one.round for one in recordings}, {one.cohort for one in recordings}
    typer.echo(
        f"{counted(len(paths), 'recording')} of {counted(len(clients), 'client')} in {counted(len(rounds), 'round')}"
    )
    if unknown := recordings[0].training.unknown():
        typer.echo(f"unknown to attacks: {listed(unknown, 'and')}; --set {unknown[0]}=... says it")
    typer.echo(f"fedleak attack {paths[0]} --use inverting-gradients")


def command(
    sources: Annotated[
        list[Path], typer.Argument(metavar="BEFORE AFTER", help="The model's state dicts; or one folder of the tap.")
    ],
    task: Annotated[str, typer.Option(metavar="TASK", help="The task by name, or an experiment file with its table.")],
    gradients: Annotated[
        bool, typer.Option("--gradients", help="AFTER has the gradient at BEFORE: by name, or a list in its order.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="How clients trained, as in learning_rate=0.05; repeatable."),
    ] = None,
    examples: Annotated[int | None, typer.Option(min=1, help="How many the client said that it trained on.")] = None,
    client: Annotated[int, typer.Option(min=0, help="Number of the client.")] = 0,
    round: Annotated[int, typer.Option(min=0, help="Number of the round.")] = 1,
    seed: Annotated[int, typer.Option(help="The dice of attacks.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the recordings.")] = Path("runs/imported"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace recordings that are there.")] = False,
) -> None:
    """Make recordings of updates that you have: state dicts or a gradient (.safetensors, .npz, .pt), or a tap's."""
    training = training_told(settings or [], examples, of_gradient=gradients)
    facts: dict[str, Any] = {"examples": examples, "client": client, "round": round, "seed": seed}
    recordings = imported(sources, Told(task=task_named(task), training=training, **facts), gradients=gradients)
    say(recordings, write_all(recordings, out, overwrite=overwrite))
