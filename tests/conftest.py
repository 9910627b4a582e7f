"""Settings of the whole test run."""

import os
import sys
from collections.abc import Iterator

# Before torch is imported: one thread a process, here and in the processes that tests start. Workers share the cores,
# and threads that wait for each other over six pixels cost more than they give.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import pytest
from filelock import FileLock
from hypothesis import settings

# No deadline: this machine may be busy, and a law holds or does not, however long it takes to see.
settings.register_profile("fedleak", deadline=None)
settings.load_profile("fedleak")


@pytest.fixture
def alone_with_flower_and_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One worker at a time runs processes of Flower and Ray: a test looks whether any are left on the machine."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with FileLock(shared / "flower-and-ray.lock"):
        yield


@pytest.fixture
def own_modules() -> Iterator[None]:
    """Forgets the modules that a test imports from folders of its own."""
    known, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - known:
        if name.startswith("strangers"):
            del sys.modules[name]
    sys.path[:] = path
