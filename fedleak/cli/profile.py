"""`fedleak profile`: what an update leaks by construction, without an attack; and how well that foretells attacks."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fedleak.cli.loading import say_loading


def profile(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TASK|RECORDING|RUN",
            help="A task, whose first client makes one update; either file of a recording; or the folder of a run.",
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
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Draw it, too.")] = None,
) -> None:
    """Tell what an update leaks by construction: ranks, neurons, Jacobian, Fisher information, BatchNorm. No attack.

    This is the view of who designs the system: it looks at the clients' examples, which no attack may. Of a RUN it
    tells how well each indicator foretold what the attacks of that run really got.
    """
    say_loading()
    from fedleak.cli.profiling import profile_message, profile_run
    from fedleak.profile.subject import Settings, subject_named

    if png is not None and png.suffix != ".png":
        from fedleak.errors import ConfigError

        raise ConfigError(f"--png: expected the name of a .png file, got {png}")
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
