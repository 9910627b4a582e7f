"""`fedleak check`: hold a run, or an experiment that is run first, to a policy; exit status 0, 1 or 2."""

from pathlib import Path
from typing import Annotated

import typer

from fedleak.cli.loading import say_loading
from fedleak.cli.run import Jobs


def _say_example(wanted: bool) -> bool:
    if wanted:
        from importlib.resources import files

        typer.echo((files("fedleak") / "presets" / "demo-policy.toml").read_text(), nl=False)
        raise typer.Exit
    return wanted


def check(
    target: Annotated[
        Path, typer.Argument(metavar="RUN|EXPERIMENT.toml", help="A run folder, or an experiment that is run first.")
    ],
    policy: Annotated[
        Path | None, typer.Option("--policy", "-p", metavar="TOML", help="The rules; see --example.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="OLD_RUN", help="Fail where more leaks than there, beyond noise.")
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(help="What chance alone may call a regression, over all groups and metrics together; 0 to 1."),
    ] = 0.05,
    allow_unfinished: Annotated[
        bool, typer.Option("--allow-unfinished", help="Judge what there is of a run that is not over.")
    ] = False,
    allow_changes: Annotated[
        bool,
        typer.Option("--allow-changes", help="Only tell how the baseline differs: settings, figures that are gone."),
    ] = False,
    junit: Annotated[Path | None, typer.Option(metavar="XML", help="Also write JUnit XML.")] = None,
    sarif: Annotated[Path | None, typer.Option(metavar="JSON", help="Also write SARIF 2.1.0.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="MD", help="Also write a summary; appended to $GITHUB_STEP_SUMMARY.")
    ] = None,
    jobs: Jobs = 1,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder of an EXPERIMENT.toml.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a value of EXPERIMENT.toml; repeatable."),
    ] = None,
    example: Annotated[  # noqa: ARG001  said by its callback
        bool,
        typer.Option("--example", help="Print the policy of the demo.", callback=_say_example, is_eager=True),
    ] = False,
) -> None:
    """Hold a run to a policy. Exit status: 0 kept, 1 broken or not shown, 2 something to mend in what you gave."""
    say_loading()
    from fedleak.campaign.preload import warm_up

    warm_up(jobs if target.suffix == ".toml" else 1)
    from fedleak.cli.checking import Files, Judgement, check_experiment, check_run_folder

    judgement = Judgement(
        policy=policy, baseline=baseline, alpha=alpha, allow_unfinished=allow_unfinished, allow_changes=allow_changes
    )
    files = Files(junit=junit, sarif=sarif, markdown=markdown)
    if target.is_dir() or target.suffix != ".toml":
        check_run_folder(target, judgement, files, out=out, settings=tuple(settings or ()))
    else:
        check_experiment(target, judgement, files, out=out, settings=tuple(settings or ()), jobs=jobs)
