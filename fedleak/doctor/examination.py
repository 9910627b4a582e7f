"""Examination of an installation: machine, software, data sets and plug-ins, in the order of the table."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from fedleak.doctor.check import Check
from fedleak.doctor.machine import check_machine
from fedleak.doctor.software import check_needed, check_optional

GROUP = "fedleak.plugins"
UNHELD = (
    "stands outside the import contracts that keep our own attacks from the truth; read what it imports before you "
    "trust its figures"
)


def examine(runs: Path) -> list[Check]:
    """Every check; `runs` is the folder that runs are written to."""
    return [*check_needed(), *check_machine(runs), *check_data(), *check_plugins(), *check_optional()]


def healthy(checks: list[Check]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(check.state != "missing" for check in checks)


def check_data() -> Iterator[Check]:
    """Each data set that fedleak ships a loader for."""
    try:
        from fedleak.data.loader import loaders

        names = [cls.name for cls in loaders if cls.__module__.startswith("fedleak.data.")]
    except Exception as error:  # noqa: BLE001  without torch, or with a plug-in that does not load, nothing can be read
        remedy = "mend what is missing above or below first"
        yield Check(topic="data", what="data sets", state="missing", found=f"cannot be read: {error}", remedy=remedy)
        return
    from fedleak.contracts.source import sources

    yield from (_data_set(name) for name in names if name in sources)


def check_plugins() -> Iterator[Check]:
    """Each entry point of the group `fedleak.plugins`, with what it registers."""
    found = list(entry_points(group=GROUP))
    if not found:
        yield Check(topic="plug-ins", what="from outside", state="ok", found="none")
    yield from (_plugin(entry) for entry in found)


def _data_set(name: str) -> Check:
    from fedleak.contracts.source import sources
    from fedleak.data.loader import loaders
    from fedleak.data.torchvision_sets import TorchvisionLoader
    from fedleak.errors import DataError

    loader = loaders.build(name, {})
    if isinstance(loader, TorchvisionLoader):
        if loader.there():
            return Check(topic="data", what=name, state="ok", found="files found, not read")
        remedy = f"{loader.expected()}; else a download is tried"
        return Check(topic="data", what=name, state="note", found="no files", remedy=remedy)
    try:
        examples = loader.read(sources[name])
    except DataError as error:
        found, _, remedy = str(error).partition("; ")
        return Check(topic="data", what=name, state="missing", found=found, remedy=remedy)
    return Check(topic="data", what=name, state="ok", found=f"{len(examples):,} examples")


def _plugin(entry: EntryPoint) -> Check:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"
    try:
        entry.load()
    except Exception as error:  # noqa: BLE001  it is other people's code, and telling what it did is this command's work
        found = f"of {package}, does not load: {type(error).__name__}: {error}"
        remedy = f"mend or uninstall {entry.dist.name if entry.dist is not None else 'it'}"
        return Check(topic="plug-ins", what=entry.name, state="missing", found=found, remedy=remedy)
    brought = ", ".join(_registered_by(entry.module)) or "registers nothing"
    found = f"{entry.value}, of {package}: {brought}"
    return Check(topic="plug-ins", what=entry.name, state="note", found=found, remedy=UNHELD)


def _registered_by(module: str) -> Iterator[str]:
    """The plug-ins of a module and of those below it, by kind and name."""
    from fedleak.contracts.attack import attacks
    from fedleak.contracts.defense import defenses
    from fedleak.contracts.metric import metrics
    from fedleak.contracts.model import models
    from fedleak.data.loader import loaders

    for registry in (attacks, defenses, metrics, models, loaders):
        for cls in registry:
            if f"{cls.__module__}.".startswith(f"{module}."):
                yield f"{registry.kind} '{cls.name}'"
