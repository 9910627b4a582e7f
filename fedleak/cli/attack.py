"""`fedleak attack`: one attack on a kept recording, alone, on any machine, with or without the truth."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fedleak.cli.loading import say_loading


def attack(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="Either file of a recording.")],
    use: Annotated[str, typer.Option("--use", metavar="NAME", help="The attack; see `fedleak list attacks`.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="An option of the attack, as in steps=400; repeatable."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The attack's dice; those of the recording's run by default.")
    ] = None,
    auxiliary: Annotated[int, typer.Option(min=0, help="Public examples that the adversary holds.")] = 256,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PNG", help="Picture of the guess; by default beside you.")
    ] = None,
) -> None:
    """Attack a recording. Scores are shown where the truth lies beside it; the attack never sees it."""
    say_loading()
    from fedleak.cli.attacking import attack_recording

    attack_recording(recording, {"use": use, **_options(settings or [], use)}, seed, auxiliary, out)


def _options(settings: list[str], use: str) -> dict[str, Any]:
    """The options of the attack; which one it is, `--use` alone says."""
    from fedleak.errors import ConfigError
    from fedleak.experiment.overrides import key_and_value

    options = dict(key_and_value(setting, "option=value, as in --set steps=400") for setting in settings)
    if "use" in options:
        raise ConfigError(f"--set use: the attack is named by --use {use}; leave one of the two out")
    return options
