"""`fedleak advise`: which defenses of a comparison keep leakage and accuracy within limits."""

from pathlib import Path
from typing import Annotated

import typer

from fedleak.cli.loading import say_loading


def advise(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a comparison.")],
    max_leak: Annotated[
        str, typer.Option("--max-leak", metavar="FIGURE", help="The most that may leak, in the metric's unit: 20dB.")
    ],
    min_accuracy: Annotated[
        float, typer.Option("--min-accuracy", min=0.0, max=1.0, help="The least accuracy of the model, 0 to 1.")
    ] = 0.0,
    metric: Annotated[
        str | None, typer.Option(help="What leakage is measured by; by default what the report speaks in.")
    ] = None,
) -> None:
    """Name the defenses that meet both limits, the evidence, and what was not tried. Exit status 1 where none does."""
    say_loading()
    from rich.console import Console

    from fedleak.analysis.advice import Limits, parse_leak
    from fedleak.analysis.analysis import Analysis
    from fedleak.cli.advising import tell_advice
    from fedleak.cli.comparing import compared_in
    from fedleak.runs.reading import read_run

    limits = Limits(max_leak=parse_leak(max_leak), min_accuracy=min_accuracy)
    analysis = Analysis.of(read_run(run))
    met = tell_advice(analysis, compared_in(analysis, metric), limits, Console(highlight=False))
    raise typer.Exit(0 if met else 1)
