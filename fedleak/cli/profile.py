"""`fedleak profile`: what an update leaks by construction, without an attack; and how well that foretells attacks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from fedleak.api import capture
from fedleak.cli.options import AsJson, FormOption, write_json
from fedleak.cli.prediction_table import best_lines, prediction_facts, prediction_tables
from fedleak.cli.profile_table import facts_table, layer_table, notes, verdict_table
from fedleak.cli.progress_bar import shown
from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError, OutputError
from fedleak.experiment.grid import load_campaign
from fedleak.learning.training import Mode
from fedleak.profile.export import facts_of
from fedleak.profile.findings import findings
from fedleak.profile.plot import draw
from fedleak.profile.prediction import Prediction, predict
from fedleak.profile.prediction_plot import draw_prediction
from fedleak.profile.profile import Profile, profile
from fedleak.profile.subject import Subject, recorded
from fedleak.randomness import one_thread
from fedleak.runs.reading import read_run
from fedleak.settings.task import TaskSettings

SUFFIXES = (".json", ".safetensors")
"""Of the two files of a recording."""
EXPERIMENT = ".toml"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the update of a task is made."""

    batch_size: int = 1
    seed: int = 0
    learning_rate: float = 0.1
    mode: Mode = "train"
    checkpoint: Path | None = None
    trained_rounds: int = 0
    noise: float = 0.0
    """Standard deviation of the Gaussian noise that the client adds to each weight that it sends."""


def subject_named(what: str, settings: Settings) -> Subject:
    """The recording at a path, else an update made now: of an experiment file's first task, or of a task by name."""
    path = Path(what)
    if path.suffix == EXPERIMENT:
        first = load_campaign(path).first
        if first.federation.split is not None:
            raise ConfigError(
                f'{path}: federation.partition = "columns": parties that hold columns send no updates, which a profile '
                "is of"
            )
        return local_update(first.task, settings)
    return recorded(path) if path.is_file() or path.suffix in SUFFIXES else local_update(what, settings)


def local_update(task: str | TaskSettings, settings: Settings) -> Subject:
    """The first client's update in a federation of four on the task's data, as `fedleak run` would record it.

    Raises what an experiment file would be refused for.
    """
    model: dict[str, Any] = {"trained_rounds": settings.trained_rounds}
    model |= {"checkpoint": str(settings.checkpoint)} if settings.checkpoint is not None else {}
    captured = capture(
        task if isinstance(task, str) else task.model_dump(),
        defense=[{"use": "gaussian-noise", "std": settings.noise}] if settings.noise else [],
        seed=settings.seed,
        model=model,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        mode=settings.mode,
    )[0]
    noise = f", noise of std {settings.noise:g}" if settings.noise else ""
    return Subject(
        title=f"{captured.observation.task.name}, {_weights(settings)}, batch of {settings.batch_size}, "
        f"client 0 of seed {settings.seed}{noise}",
        observation=captured.observation,
        truth=captured.truth,
        training=captured.observation.training,
    )


def _weights(settings: Settings) -> str:
    own = "untrained weights" if settings.checkpoint is None else f"weights of {settings.checkpoint.name}"
    if not settings.trained_rounds:
        return own
    rounds = f"{settings.trained_rounds} round{'s' * (settings.trained_rounds > 1)} of training"
    return rounds if settings.checkpoint is None else f"{own} and {rounds}"


def profile_message(subject: Subject, *, as_json: bool, png: Path | None) -> None:
    """Measures, prints, draws."""
    with shown("profiling", "products"), one_thread():
        measured = profile(subject)
    if as_json:
        write_json(facts_of(measured, findings(measured, _known())))
    else:
        _print(measured, Console(highlight=False))
    if png is not None:
        _require_folder(png)
        typer.echo(f"picture   {draw(measured, subject.truth, png)}", err=as_json)


def profile_run(root: Path, metric: str, *, as_json: bool, png: Path | None) -> None:
    """Profiles each message that was attacked, prints the correlations, draws the points."""
    run = read_run(root)
    with shown("profiling messages"), one_thread():
        prediction = predict(run, metric)
    if as_json:
        write_json(prediction_facts(prediction))
    else:
        _print_prediction(prediction, Console(highlight=False))
    if png is not None:
        _require_folder(png)
        typer.echo(f"picture   {draw_prediction(prediction, run.campaign.name, png)}", err=as_json)


def _print(measured: Profile, console: Console) -> None:
    console.print(measured.title, style="bold", markup=False)
    console.print(layer_table(measured))
    console.print(facts_table(measured))
    console.print()
    console.print(verdict_table(findings(measured, _known())))
    for note in notes(measured):
        console.print(note, style="dim", markup=False)


def _print_prediction(prediction: Prediction, console: Console) -> None:
    for table in prediction_tables(prediction, console.width):
        console.print(table)
    for line in best_lines(prediction):
        console.print(line, markup=False)


def _known() -> frozenset[str]:
    return frozenset(cls.name for cls in attacks)


def _require_folder(path: Path) -> None:
    if path.parent.exists() and not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: {path.parent} is not a folder")


def command(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TASK|FILE|RECORDING|RUN",
            help="A task, or the experiment file that has it as a table: its first client makes one update; either "
            "file of a recording; or the folder of a run.",
        ),
    ],
    batch: Annotated[int, typer.Option(min=1, help="Examples in the update of a task.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the update of a task: which weights, and which examples.")] = 0,
    learning_rate: Annotated[float, typer.Option(min=1e-12, help="Of the update of a task.")] = 0.1,
    mode: Annotated[Literal["train", "eval"], typer.Option(help="How the client of a task trains.")] = "train",
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of a task; fresh ones by default.")
    ] = None,
    trained_rounds: Annotated[int, typer.Option(min=0, help="Rounds of training before the update of a task.")] = 0,
    noise: Annotated[
        float,
        typer.Option(min=0.0, metavar="STD", help="Gaussian noise that the client of a task adds."),
    ] = 0.0,
    metric: Annotated[str, typer.Option(help="Of a run: what indicators are held against.")] = "psnr",
    as_json: AsJson = False,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Draw it, too.")] = None,
    form: FormOption = "table",
) -> None:
    """Tell what an update leaks by construction: ranks, neurons, Jacobian, Fisher information, BatchNorm. No attack.

    This is the view of who designs the system: it looks at the clients' examples, which no attack may. Of a RUN it
    tells how well each indicator foretold what the attacks of that run really got.
    """
    if png is not None and png.suffix != ".png":
        raise ConfigError(f"--png: expected the name of a .png file, got {png}")
    as_json = as_json or form == "json"
    if Path(what).is_dir():
        profile_run(Path(what), metric, as_json=as_json, png=png)
        return
    settings = Settings(
        batch_size=batch,
        seed=seed,
        learning_rate=learning_rate,
        mode=mode,
        checkpoint=checkpoint,
        trained_rounds=trained_rounds,
        noise=noise,
    )
    profile_message(subject_named(what, settings), as_json=as_json, png=png)
