"""Plug-ins that other packages bring: one that does not load stops every command."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

from fedleak.doctor.check import Check

TOPIC = "plug-ins"
GROUP = "fedleak.plugins"


def check_plugins() -> Iterator[Check]:
    """Each entry point of the group `fedleak.plugins`."""
    found = list(entry_points(group=GROUP))
    if not found:
        yield Check(topic=TOPIC, what="from outside", state="ok", found="none")
    yield from (_plugin(entry) for entry in found)


def _plugin(entry: EntryPoint) -> Check:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"
    try:
        entry.load()
    except Exception as error:  # noqa: BLE001  it is other people's code, and telling what it did is this command's work
        found = f"of {package}, does not load: {type(error).__name__}: {error}"
        remedy = f"mend or uninstall {entry.dist.name if entry.dist is not None else 'it'}"
        return Check(topic=TOPIC, what=entry.name, state="missing", found=found, remedy=remedy)
    return Check(topic=TOPIC, what=entry.name, state="ok", found=f"{entry.value}, of {package}")
