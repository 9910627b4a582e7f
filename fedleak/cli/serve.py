"""`fedleak serve`: the model that a run released, behind a loopback port."""

from pathlib import Path
from typing import Annotated

import typer
from jaxtyping import Float
from torch import Tensor

from fedleak.cli.options import RunPath
from fedleak.errors import ConfigError, DataError, RecordingError, did_you_mean
from fedleak.evaluation.released import as_released
from fedleak.evaluation.views import mean_row, usual_queries
from fedleak.experiment.campaign import Point
from fedleak.learning.source import Source
from fedleak.recording.files import read_recording
from fedleak.runs.folder import RunFolder, released_models
from fedleak.runs.reading import read_campaign
from fedleak.serving.http import serve
from fedleak.serving.loopback import listening
from fedleak.serving.served_model import ServedModel

QUERIES, DAYS = 1000, 1.0
"""What a user may ask, and for how long, where neither the command nor the experiment says it."""


def opened(run: Path, release: int | None, defense: str | None, queries: int | None) -> ServedModel:
    """The service of a released model, of the run's first combination of settings; raises where there is none."""
    folder = RunFolder(run)
    point = read_campaign(folder).points[0]
    name = named_defense(point, defense)
    adversary, chain = point.experiment.adversary, point.experiment.build_chains()[name]
    if chain.hiding is not None:
        raise ConfigError(
            f"--defense: under '{name}' ({chain.hiding.name}) queries leave the user encrypted or as shares, "
            "and a port takes them in the clear; serve another row"
        )
    recording = read_recording(chosen(released_models(folder, name, point.federation), release, run, name))
    background = mean_row(recording.source) if adversary.explanations else None
    allowed = next(asked for asked in (queries, adversary.queries, QUERIES) if asked is not None)
    return ServedModel(
        recording.task,
        as_released(recording.released(), recording.source, chain, recording.seed).weights,
        queries=allowed,
        chain=chain,
        days=adversary.patience or DAYS,
        benign=benign_of(recording.source),
        seed=(recording.seed, recording.round, name, "served at a port"),
        background=background,
    )


def named_defense(point: Point, name: str | None) -> str:
    """The row of that name; without one the first."""
    names = [row.name for row in point.experiment.defenses]
    if name is not None and name not in names:
        raise ConfigError(f"--defense: no defense of the run is called '{name}'{did_you_mean(name, names)}")
    return name or names[0]


def chosen(models: dict[int, Path], release: int | None, run: Path, defense: str) -> Path:
    """The recording of the model after that round; without one the last."""
    if not models:
        raise RecordingError(
            f"{run} released no model under '{defense}'; add release = \"last\" to its [federation] and run it again"
        )
    if release is not None and release not in models:
        rounds = ", ".join(map(str, models))
        raise ConfigError(f"--release: expected a round after which a model was released ({rounds}), got {release}")
    return models[max(models) if release is None else release]


def benign_of(source: Source) -> Float[Tensor, "benign *shape"] | None:
    """What detectors learn from; None, and a word of it, on a machine without the data."""
    try:
        return usual_queries(source)
    except DataError as error:
        typer.echo(f"no benign queries for detectors: {error}", err=True)
        return None


def command(
    run: RunPath,
    release: Annotated[
        int | None, typer.Option(metavar="ROUND", help="After which the model was released; the last by default.")
    ] = None,
    defense: Annotated[
        str | None, typer.Option(metavar="NAME", help="A row of the experiment; the first by default.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where it listens; 0 takes a free one.")] = 8000,
    queries: Annotated[
        int | None, typer.Option(min=0, help="Inputs that it takes; by default what the experiment says, else 1,000.")
    ] = None,
    host: Annotated[str, typer.Option(help="An address of this machine's loopback.")] = "127.0.0.1",
) -> None:
    """Serve a released model at a loopback port: POST /ask {"inputs": [...]}, GET /about. Ends with Ctrl-C.

    Its answers are those that an attack of the run would have got, with the defenses of answers of that row. POST
    /explain {"inputs": [...]} explains answers where the run has adversary.explanations = true.
    """
    with listening(host, port) as listener:
        service = opened(run, release, defense, queries)
        address, number = listener.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        typer.echo(f"serving {service.task.name} at http://{shown}:{number}, {service.remaining} queries; Ctrl-C ends")
        serve(service, listener)
