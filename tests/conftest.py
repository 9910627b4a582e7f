"""Settings of the whole test run."""

import os
import sys
from collections.abc import Iterator
from typing import Any

# Before torch is imported: one thread a process, here and in the processes that tests start. Workers share the cores,
# and threads that wait for each other over six pixels cost more than they give.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import pytest
import torch
from filelock import FileLock
from hypothesis import settings
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

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


class GpuNames(TorchFunctionMode):
    """Puts torch's "meta" device, which has shapes and no numbers, in the place of "cuda"."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.device, torch.get_device_module):  # asked for what belongs to a kind of device
            return function(*args, **(kwargs or {}))

        def named(value: Any) -> Any:
            return "meta" if isinstance(value, str) and value == "cuda" else value

        return function(*map(named, args), **{key: named(value) for key, value in (kwargs or {}).items()})


class GpuNumbers(TorchDispatchMode):
    """Makes up a number where one is read, and refuses what a GPU would: to compute with a tensor in memory."""

    COPIES = ("aten::_to_copy", "aten::copy_")
    INDEXED = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")

    def __init__(self) -> None:
        super().__init__()
        self.computed = 0
        """Operations on the GPU."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, function._schema.name
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
        there = [value for value in given if value.is_meta]
        if not there:
            return function(*args, **kwargs)
        self.computed += 1
        made_up = 0.5 if there[0].is_floating_point() else 0
        if name == "aten::_local_scalar_dense":
            return there[0].dtype is torch.bool or made_up
        if name == "aten::equal":
            return True
        if name in self.COPIES and torch.device(kwargs.get("device") or "meta").type == "cpu":
            return torch.full(there[0].shape, made_up, dtype=kwargs.get("dtype") or there[0].dtype)
        astray = [value for value in given if value.device.type == "cpu" and value.ndim > 0]
        whole = name in self.COPIES or (name in self.INDEXED and given[0].is_meta)
        assert whole or not astray, f"{name} is given {len(there)} tensors on the GPU and {len(astray)} in memory"
        return function(*args, **kwargs)


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[GpuNumbers]:
    """A machine with one GPU, which computes nothing but complains of what does not lie on it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)  # optimizers ask it for a stream
    with GpuNames(), GpuNumbers() as numbers:
        yield numbers
