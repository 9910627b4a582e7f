"""`fedleak doctor`: what this machine can run."""

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check what this machine can run; exit status 1 where something needed is missing."""
    import json
    from dataclasses import asdict

    from fedleak.doctor.examination import examine, healthy

    checks = examine(Path("runs"))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        from rich.console import Console

        from fedleak.cli.doctor_table import doctor_table, summary

        console = Console(highlight=False)
        console.print(doctor_table(checks))
        console.print(summary(checks), markup=False)
    if not healthy(checks):
        raise typer.Exit(1)
