"""Places of a user's own modules: a file's tables with the folders that these are looked for in, and without."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedleak.settings.base import Table
from fedleak.settings.bundle import kept_in
from fedleak.settings.task import APP, audited_task, is_own, unplaced


def placed(tree: Table, folder: Path) -> Table:
    """The file with the folder of each task's modules: that of the file, where it names no other.

    An audit is read as it is now; what a run kept of one lies beside the file. Raises `ConfigError` for one that is not
    there.
    """
    return _each_task(tree, lambda task: _placed(task, folder))


def portable(tree: Table) -> Table:
    """The file without the places of audited apps, which are known by what is in them wherever they lie."""
    return _each_task(tree, lambda task: unplaced(task) if _is_bundle(task) else task)


def without_bundles(tree: Table) -> Table:
    """The file without what tells versions of its audited apps apart."""
    return _each_task(tree, lambda task: {**task, "bundle": ""} if _is_bundle(task) else task)


def _is_bundle(task: Any) -> bool:
    return isinstance(task, dict) and "bundle" in task


def _each_task(tree: Table, change: Callable[[Any], Any]) -> Table:
    changed = _changed(tree, change)
    vary = changed.get("vary")
    if isinstance(vary, list):
        changed["vary"] = [_changed(entry, change) if isinstance(entry, dict) else entry for entry in vary]
    return changed


def _changed(table: Table, change: Callable[[Any], Any]) -> Table:
    if "task" not in table:
        return dict(table)
    given = table["task"]
    return {**table, "task": [change(one) for one in given] if isinstance(given, list) else change(given)}


def _placed(task: Any, folder: Path) -> Any:
    if isinstance(task, str) and task.startswith(APP):
        return audited_task(folder / Path(task.removeprefix(APP)).expanduser())
    if not isinstance(task, dict) or "folder" in task:
        return task
    if isinstance(task.get("bundle"), str):
        return {**task, "folder": str(kept_in(folder, task["bundle"]))}
    own = any(map(is_own, [*_list(task.get("data")), *_list(task.get("network"))]))
    return {**task, "folder": str(folder)} if own else task


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
