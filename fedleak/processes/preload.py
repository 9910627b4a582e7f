"""Preloading: starts the process that workers are forked from, so that it loads torch while this one does too."""

import multiprocessing
import sys
from typing import Any

PRELOADED = [
    "fedleak.campaign.pool", "fedleak.server.app", "fedleak.clients.app",
    "torch._dynamo",  # the first optimizer loads it
    "torchvision.transforms.v2.functional",  # of the defenses
]  # fmt: skip
"""What takes seconds to load, once for all workers."""


def worker_context() -> Any:
    """Forks from a server that has torch loaded already, where the system can; never from this process's threads."""
    if "forkserver" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def warm_up(jobs: int) -> None:
    """Begins to load what `jobs` workers need, and returns at once; call it before importing torch."""
    if jobs > 1 and worker_context().get_start_method() == "forkserver":
        from multiprocessing import forkserver

        forkserver.ensure_running()
