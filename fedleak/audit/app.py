"""Flower app: its components, settings and files, read without running any of its code."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from flwr.cli.config_utils import load_and_validate
from flwr.common.config import flatten_dict, parse_config_args

from fedleak.errors import ConfigError, did_you_mean, echo, first_line

CONFIG = "pyproject.toml"
RunConfig = dict[str, bool | float | int | str]


@dataclass(frozen=True, kw_only=True)
class FlowerApp:
    """An app's folder and what its `pyproject.toml` says."""

    folder: Path
    name: str
    server: str
    """The ServerApp, as MODULE:ATTRIBUTE."""
    client: str
    """The ClientApp, likewise."""
    config: RunConfig
    """The run config, with what was overridden."""


def read_app(folder: Path, overrides: Sequence[str] = ()) -> FlowerApp:
    """The app in a folder, its run config overridden as `flwr run -c` does it.

    Raises `ConfigError` where there is none, with Flower's own words about what is wrong with its settings. Flower's
    check of the modules is left out: it imports the packages that they are in.
    """
    folder = folder.expanduser().resolve()
    if not (folder / CONFIG).is_file():
        raise ConfigError(f"{folder}: expected the folder of a Flower app, which has a {CONFIG}; there is none")
    try:
        config, _ = load_and_validate(folder / CONFIG, check_module=False)
    except ValueError as error:
        raise ConfigError(f"{folder}: {' '.join(str(error).split())}") from error
    settings = config["tool"]["flwr"]["app"]
    for kind, reference in settings["components"].items():
        _require_module(folder, kind, str(reference))
    known = flatten_dict(settings.get("config", {}))
    given = overridden(overrides, "-c")
    for key in given:
        if key not in known:
            raise ConfigError(f"-c: {echo(key)} is not in the run config of {folder.name}{did_you_mean(key, known)}")
    return FlowerApp(
        folder=folder,
        name=str(config["project"]["name"]),
        server=settings["components"]["serverapp"],
        client=settings["components"]["clientapp"],
        config={**known, **given},
    )


def overridden(pairs: Sequence[str], option: str) -> RunConfig:
    """KEY=VALUE as Flower reads them; raises `ConfigError` with the option that they were given by."""
    try:
        return parse_config_args(list(pairs))
    except (click.ClickException, ValueError, OSError) as error:
        raise ConfigError(f"{option}: {first_line(error)}") from error


def _require_module(folder: Path, kind: str, reference: str) -> None:
    """Raises `ConfigError` where a component names a module that is no file of the app."""
    module, colon, name = reference.partition(":")
    place = folder.joinpath(*module.split("."))
    if not (module and colon and name):
        raise ConfigError(f"{folder}: {kind}: expected MODULE:ATTRIBUTE, got {echo(reference)}")
    if not (place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()):
        raise ConfigError(
            f"{folder}: {kind} is {echo(reference)}, and there is no module '{module}' in the app's folder"
        )


def digest(folder: Path) -> str:
    """SHA-256 of all files below a folder, by their names and bytes: what an audit leaves as it was."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
