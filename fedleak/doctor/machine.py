"""Machine checks: the cores and memory that control groups leave to this process, disk, torch and GPU."""

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from fedleak.doctor.check import Check, gibibytes

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")
TOPIC = "machine"
JOB = 2**30
"""Bytes that a process of `fedleak run --jobs N` takes with a small network."""
LEAST_DISK = 2**30
"""Bytes below which a run may not find room for its recordings."""


def check_machine(runs: Path) -> Iterator[Check]:
    """Cores, memory, disk, torch and GPU."""
    cores, memory = usable_cores(), usable_memory()
    yield Check(topic=TOPIC, what="system", state="ok", found=f"{platform.system()} {platform.machine()}")
    yield _cores(cores, None if memory is None else memory[1])
    yield _memory(memory)
    yield _disk(runs)
    yield from _torch(cores)


def usable_cores() -> float:
    """Processor cores that this process may run on: the fewest that affinity or a control group's quota allows."""
    return min([float(_affinity()), *_quotas()])


def usable_memory() -> tuple[int, int] | None:
    """Bytes in all and bytes free, under the tightest limit; None where this system does not say."""
    bounds = [bound for bound in (_physical(), *_memory_groups()) if bound is not None]
    if not bounds:
        return None
    return min(total for total, _ in bounds), min(free for _, free in bounds)


def _cores(cores: float, free: int | None) -> Check:
    fitting = int(cores) if free is None else min(int(cores), free // JOB)
    there = os.cpu_count() or 1
    found = f"{cores:g}" if cores == there else f"{cores:g} of {there} may be used"
    remedy = f"`fedleak run --jobs {fitting}` uses them" if fitting > 1 else ""
    return Check(topic=TOPIC, what="cores", state="ok", found=found, remedy=remedy)


def _memory(memory: tuple[int, int] | None) -> Check:
    if memory is None:
        return Check(topic=TOPIC, what="memory", state="note", found="this system does not say")
    total, free = memory
    found = f"{gibibytes(free)} free of {gibibytes(total)}"
    if free < 2 * JOB:
        remedy = "give it more, or run small networks with one job"
        return Check(topic=TOPIC, what="memory", state="note", found=found, remedy=remedy)
    return Check(topic=TOPIC, what="memory", state="ok", found=found)


def _disk(runs: Path) -> Check:
    """The nearest folder there is, on the way up from where runs go."""
    folder = next(path for path in (runs.absolute(), *runs.absolute().parents) if path.is_dir())
    found = f"{gibibytes(shutil.disk_usage(folder).free)} free in {folder}"
    if not os.access(folder, os.W_OK):
        remedy = "runs cannot be written here: start elsewhere, or use --out"
        return Check(topic=TOPIC, what="disk", state="note", found=f"{folder} is read-only", remedy=remedy)
    if shutil.disk_usage(folder).free < LEAST_DISK:
        return Check(topic=TOPIC, what="disk", state="note", found=found, remedy="free some, or use --out elsewhere")
    return Check(topic=TOPIC, what="disk", state="ok", found=found)


def _torch(cores: float) -> Iterator[Check]:
    try:
        import torch
    except Exception as error:  # noqa: BLE001  a damaged torch fails in many ways, and telling is this command's work
        remedy = "install torch anew, as in constraints.txt"
        yield Check(topic=TOPIC, what="torch", state="missing", found=f"does not import: {error}", remedy=remedy)
        return
    threads = torch.get_num_threads()
    found = f"{torch.__version__}, {threads} threads; an attack uses one"
    if threads > cores:
        remedy = f"set OMP_NUM_THREADS={max(int(cores), 1)}: more threads than cores are slow"
        yield Check(topic=TOPIC, what="torch", state="note", found=found, remedy=remedy)
    else:
        yield Check(topic=TOPIC, what="torch", state="ok", found=found)
    yield _gpu(torch.cuda.is_available(), torch.version.cuda is not None)


def _gpu(available: bool, built: bool) -> Check:
    import torch

    if available:
        name, size = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
        return Check(
            topic=TOPIC, what="GPU", state="ok", found=f"{torch.cuda.device_count()} x {name}, {gibibytes(size)}"
        )
    found = "none that torch can use" if built else "none: torch is built for the processor alone"
    return Check(topic=TOPIC, what="GPU", state="note", found=found, remedy="none needed: all runs on the processor")


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


def _groups(controller: str) -> Iterator[Path]:
    """This process's group and all above it, of one hierarchy (version 2) or of the controller's own (version 1)."""
    for line in _text(OWN_CGROUPS).splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers not in ("", controller):
            continue
        root = CGROUPS / controllers
        group = root / own.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(root))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # other systems, and groups without this limit, have no such file


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _physical() -> tuple[int, int] | None:
    facts = dict(line.split(":", 1) for line in _text(MEMORY).splitlines() if ":" in line)
    if not {"MemTotal", "MemAvailable"} <= facts.keys():
        return None
    total, free = (int(facts[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    return total, free


def _memory_groups() -> Iterator[tuple[int, int]]:
    for folder in _groups("memory"):
        limit = [*_words(folder / "memory.max"), *_words(folder / "memory.limit_in_bytes")]
        used = [*_words(folder / "memory.current"), *_words(folder / "memory.usage_in_bytes")]
        if limit and used and limit[0].isdigit():
            total = int(limit[0])
            yield total, max(total - int(used[0]), 0)
