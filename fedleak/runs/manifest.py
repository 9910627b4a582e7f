"""Manifest: what produced a run, so that it can be produced again."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError

from fedleak import __version__
from fedleak.contracts.imports import code_fingerprint
from fedleak.errors import RecordingError
from fedleak.experiment.campaign import Campaign
from fedleak.io.atomic import write_atomically
from fedleak.io.fingerprint import address_of, source_fingerprint
from fedleak.runs.kept_apps import apps_of
from fedleak.settings.task import TaskSettings

PACKAGES = ("flwr", "numpy", "scipy", "torchvision", "safetensors")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Versions, seed, machine and times of a run."""

    fedleak: str
    python: str
    torch: str
    packages: dict[str, str]
    seeds: tuple[int, ...]
    experiment: str
    """Content address of the campaign."""
    source: str
    """Fingerprint of the source of fedleak: other code, other fingerprint."""
    code: dict[str, str] = field(default_factory=dict)
    """Fingerprints of the user's own modules, by the task that needs them."""
    apps: dict[str, str] = field(default_factory=dict)
    """Names of audited apps by the SHA-256 of their code and images, which the run keeps with a list of the files."""
    platform: str
    machine: str
    cpus: int
    threads_per_cell: int
    engine: str
    jobs: int
    resumed: bool
    """Whether finished cells of an earlier start were reused."""
    started: str
    finished: str | None
    seconds: float | None
    exit_status: int | None
    """None while the run goes on, or when it was killed."""
    cells_planned: int
    cells_finished: int
    """With or without a figure; fewer than planned where the run was interrupted."""

    def ended(self, seconds: float, exit_status: int | None, *, planned: int, finished: int) -> "Manifest":
        """The same for a run that is over, or was interrupted (None)."""
        return replace(
            self,
            finished=_now(),
            seconds=round(seconds, 3),
            exit_status=exit_status,
            cells_planned=planned,
            cells_finished=finished,
        )

    def write(self, path: Path) -> None:
        """Writes the file whole."""
        write_atomically(path, (json.dumps(asdict(self), indent=1) + "\n").encode())


_ADAPTER = TypeAdapter(Manifest)


def read_manifest(path: Path) -> Manifest:
    """Reads `manifest.json`; raises `RecordingError` where it is missing or damaged."""
    try:
        return _ADAPTER.validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}; is it a run folder?") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        why = ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
        raise RecordingError(f"{path} is damaged ({why}); run the experiment again") from error


def manifest_of(campaign: Campaign, *, engine: str, jobs: int, resumed: bool, cells: int) -> Manifest:
    """The manifest of a run that starts now on this machine."""
    tasks = [task for task in _tasks(campaign) if task.bundle is None]
    return Manifest(
        fedleak=__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        packages={name: _version(name) for name in PACKAGES},
        seeds=tuple(dict.fromkeys(point.experiment.seed for point in campaign.reported.points)),
        experiment=address_of(campaign.tree),
        source=source_fingerprint(),
        code={task.label: code_fingerprint(task.own_code, task.folder) for task in tasks if task.own_code},
        apps={task.bundle: task.label for task in apps_of(campaign) if task.bundle is not None},
        platform=platform.platform(),
        machine=platform.machine(),
        cpus=os.cpu_count() or 1,
        threads_per_cell=1,
        engine=engine,
        jobs=jobs,
        resumed=resumed,
        started=_now(),
        finished=None,
        seconds=None,
        exit_status=None,
        cells_planned=cells,
        cells_finished=0,
    )


def _tasks(campaign: Campaign) -> list[TaskSettings]:
    return list(dict.fromkeys(point.experiment.task for point in campaign.points))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
