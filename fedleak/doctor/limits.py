"""How much of the machine this process may use: affinity and control groups, which containers are limited by."""

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")


def usable_cores() -> float:
    """Processor cores that this process may run on: the fewest that affinity or a control group's quota allows."""
    return min([float(_affinity()), *_quotas()])


def usable_memory() -> tuple[int, int] | None:
    """Bytes in all and bytes free, under the tightest limit; None where this system does not say."""
    bounds = [bound for bound in (_physical(), *_memory_groups()) if bound is not None]
    if not bounds:
        return None
    return min(total for total, _ in bounds), min(free for _, free in bounds)


def _affinity() -> int:
    # Not every system can bind a process to cores.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quotas() -> Iterator[float]:
    for folder in _groups("cpu"):
        words = [
            *_words(folder / "cpu.max"),
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        numbers = [int(word) for word in words if word.lstrip("-").isdigit()]
        if len(numbers) == 2 and numbers[0] > 0:  # "max" and -1 stand for no limit
            yield numbers[0] / numbers[1]


def _memory_groups() -> Iterator[tuple[int, int]]:
    for folder in _groups("memory"):
        limit = [*_words(folder / "memory.max"), *_words(folder / "memory.limit_in_bytes")]
        used = [*_words(folder / "memory.current"), *_words(folder / "memory.usage_in_bytes")]
        if limit and used and limit[0].isdigit():
            total = int(limit[0])
            yield total, max(total - int(used[0]), 0)


def _physical() -> tuple[int, int] | None:
    facts = dict(line.split(":", 1) for line in _text(MEMORY).splitlines() if ":" in line)
    if not {"MemTotal", "MemAvailable"} <= facts.keys():
        return None
    total, free = (int(facts[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    return total, free


def _groups(controller: str) -> Iterator[Path]:
    """This process's group and all above it, of one hierarchy (version 2) or of the controller's own (version 1)."""
    for line in _text(OWN_CGROUPS).splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers not in ("", controller):
            continue
        root = CGROUPS / controllers
        group = root / own.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(root))


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # other systems, and groups without this limit, have no such file
