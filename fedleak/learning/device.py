"""Device: where numbers are computed; the one place that reads its name, refuses what is not there, and prepares it."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from fedleak.errors import ConfigError
from fedleak.learning.facts import Device


def asked(name: str) -> tuple[Device, int | None]:
    """The kind of device that a user names, and which of several; `auto` is the best that torch finds here."""
    if name == "auto":
        return next((kind for kind in ("cuda", "mps") if count(kind)), "cpu"), None
    match = re.fullmatch(r"(cpu|mps|cuda)|cuda:(\d{1,3})", name)
    if match is None:
        raise ConfigError(f"--device: expected cpu, cuda, cuda:NUMBER, mps or auto, got {name!r}")
    return ("cuda", int(match[2])) if match[2] else (match[1], None)  # type: ignore[return-value]


def count(kind: str) -> int:
    """How many devices of a kind torch finds here."""
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(torch.backends.mps.is_available()) if kind == "mps" else 1


def require(kind: Device, index: int | None = None) -> None:
    """Raises `ConfigError` where torch finds no such device: what was asked for, what there is, what to do."""
    there = count(kind)
    if there > (index or 0):
        return
    if there:
        raise ConfigError(
            f'device = "{kind}:{index}" was asked for, and torch {torch.__version__} finds {there} of them here, '
            f"{kind}:0 to {kind}:{there - 1}; name one of these"
        )
    others = [other for other in ("cuda", "mps") if count(other)]
    found = f"{others[0]} alone besides the processor" if others else "the processor alone"
    raise ConfigError(
        f'device = "{kind}" was asked for, and torch {torch.__version__} finds {found}{_why(kind)}; '
        f'take "{others[0] if others else "cpu"}" or "auto", or run it where there is one'
    )


def _why(kind: Device) -> str:
    built = torch.version.cuda is not None if kind == "cuda" else torch.backends.mps.is_built()
    return "" if built else f", as it is built without {kind.upper()}"


def dealt(kinds: Collection[Device], index: int | None = None) -> tuple[int, ...]:
    """The GPUs to share among workers: that one, or else all there are; none where nothing is computed on GPUs.

    Raises `ConfigError` where some device is not there.
    """
    for kind in sorted(kinds):
        require(kind, index if kind == "cuda" else None)
    if "cuda" not in kinds:
        return ()
    return tuple(range(count("cuda"))) if index is None else (index,)


def take(index: int | None) -> None:
    """From now on "cuda" means this GPU in this thread; None leaves it as it is."""
    if index is not None:
        torch.cuda.set_device(index)


@contextmanager
def computing_on(kind: str) -> Iterator[None]:
    """Within the block a GPU computes in full float32, and convolutions in one order; on the processor nothing changes.

    By default convolutions round to 10 bits of 23 (TF32), which neither attacks nor `verify` can bear.
    """
    if kind != "cuda":
        yield
        return
    cudnn, rounding = torch.backends.cudnn, (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    kept = cudnn.deterministic, cudnn.benchmark, [one.fp32_precision for one in rounding]
    cudnn.deterministic, cudnn.benchmark = True, False
    for one in rounding:
        one.fp32_precision = "ieee"
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark, precisions = kept
        for one, precision in zip(rounding, precisions, strict=True):
            one.fp32_precision = precision


CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")


def share_of_memory(group: Path = CONTROL_GROUP) -> int:
    """Bytes for one of as many workers as there are cores; by the machine, so that it is always the same there."""
    return memory_of_machine(group) // (os.cpu_count() or 1)


def memory_of_machine(group: Path = CONTROL_GROUP) -> int:
    """Bytes that all processes here may use together: the machine's, or fewer where a control group says so."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = group.read_text().strip() if group.is_file() else ""
    return min(total, int(limit)) if limit.isdigit() else total
