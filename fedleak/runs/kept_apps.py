"""Audited apps that a run keeps: code below `apps/`, and the images, which are clients' own, in the vault."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fedleak.experiment.campaign import Campaign, Point
from fedleak.io.atomic import write_atomically
from fedleak.runs.folder import RunFolder
from fedleak.settings.bundle import APPS, IMAGES, SUMS, VAULT, Bundle, bundle_at, images_in, kept_in
from fedleak.settings.task import TaskSettings


def bundles_of(campaign: Campaign) -> dict[str, Bundle]:
    """The bundles of its tasks, by address; raises `RecordingError` where one is not what it was any more."""
    return {
        task.bundle: bundle_at(Path(task.folder or ""), task.bundle)
        for task in apps_of(campaign)
        if task.bundle is not None
    }


def apps_of(campaign: Campaign) -> list[TaskSettings]:
    """Its tasks that are audited apps, each once."""
    tasks = dict.fromkeys(point.experiment.task for point in campaign.points)
    return [task for task in tasks if task.bundle is not None]


def keep(folder: RunFolder, bundles: Mapping[str, Bundle]) -> None:
    """Writes those that are not there yet; raises `RecordingError` where one that is there has been changed."""
    for address, bundle in bundles.items():
        code = kept_in(folder.root, address)
        if (code / SUMS).exists():
            bundle_at(code, address)
            continue
        for name, content in bundle.files.items():
            if name != IMAGES:
                write_atomically(code / name, content)
        write_atomically(images_in(folder.root, address), bundle.files[IMAGES], private=folder.root / VAULT)
        write_atomically(code / SUMS, bundle.sums.encode())


def require_kept(folder: RunFolder) -> None:
    """Raises `RecordingError` where an app that a run keeps is not any more what it was."""
    for code in sorted((folder.root / APPS).glob("*")):
        bundle_at(code, code.name)


def with_kept(campaign: Campaign, folder: RunFolder) -> Campaign:
    """The campaign with its audited apps as the run keeps them."""
    return replace(campaign, points=tuple(_with_kept(point, folder) for point in campaign.points))


def _with_kept(point: Point, folder: RunFolder) -> Point:
    task = point.experiment.task
    if task.bundle is None:
        return point
    there = task.model_copy(update={"folder": str(kept_in(folder.root.resolve(), task.bundle))})
    return replace(point, experiment=point.experiment.model_copy(update={"task": there}))
