"""Settings of the whole test run."""

import dataclasses
import functools
import gc
import inspect
import json
import os
import sys
import typing
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

# Before torch is imported: one thread a process, here and in the processes that tests start. Workers share the cores,
# and threads that wait for each other over six pixels cost more than they give.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import jaxtyping
import numpy as np
import pytest
import torch
from beartype import BeartypeConf, beartype
from filelock import FileLock
from hypothesis import settings
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# No deadline: this machine may be busy, and a law holds or does not, however long it takes to see.
settings.register_profile("fedleak", deadline=None)
settings.load_profile("fedleak")


def pytest_configure(config: pytest.Config) -> None:
    """Every other worker collects from the end: what one has compiled of a fresh clone the next one reads."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    if int(worker) % 2 and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args = [str(path) for path in sorted(config.rootpath.glob("tests/**/test_*.py"), reverse=True)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One order in all workers; what takes longest comes first, so that none is left alone with it in the end.

    First come those that one worker at a time may run: all in the first one's share, so that no other waits for it.
    """

    def place(item: pytest.Item) -> tuple[bool, bool, Path]:
        alone = alone_with_flower_and_ray.__name__ in getattr(item, "fixturenames", ())
        return not alone, "end_to_end" not in item.path.parts, item.path

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collects no garbage meanwhile, and looks through what was imported by then never again.

    There are a million of such objects, and Flower collects garbage each time it makes arrays of a message.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_unconfigure() -> None:
    """Some libraries warn of their own objects that are left when Python ends."""
    gc.unfreeze()


class QuickChecks:
    """`jaxtyping.jaxtyped` over beartype: the same checks of types and shapes at a third of their time.

    jaxtyping binds every call's arguments to a signature, checks them once before and once more after it, and keeps a
    record of axis names even where no hint has any. Here beartype alone surrounds the function, inside such a record
    where an array is among the hints. What this cannot do (names from f-strings, generators) is left to jaxtyping.
    """

    theirs = staticmethod(jaxtyping.jaxtyped)
    beartype = staticmethod(beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError)))
    record = jaxtyping.jaxtyped("context")

    def __call__(self, *subject: Any, **options: Any) -> Any:
        theirs = self.theirs(*subject, **options)
        return functools.partial(self.checked, theirs=theirs) if not subject and options["typechecker"] else theirs

    def checked(self, subject: Any, theirs: Callable[[Any], Any]) -> Any:
        if isinstance(subject, (classmethod, staticmethod)):
            return type(subject)(self.checked(subject.__func__, theirs))
        if dataclasses.is_dataclass(subject) and inspect.isfunction(subject.__dict__.get("__init__")):
            subject.__init__ = self.checked(subject.__init__, theirs)
            return subject
        if not inspect.isfunction(subject) or inspect.isgeneratorfunction(inspect.unwrap(subject)):
            return theirs(subject)
        hints = {name: self.meaning(hint, subject) for name, hint in subject.__annotations__.items()}
        arrays = [array for hint in hints.values() for array in self.arrays(hint)]
        if any("{" in array.dim_str for array in arrays):
            return theirs(subject)
        subject.__annotations__ = hints
        checked = self.beartype(subject)
        return self.recorded(checked, subject) if arrays else checked

    def meaning(self, hint: Any, function: Any) -> Any:
        """What a hint says that may be a string; Any where its names are not there when the program runs."""

        def holder() -> None: ...

        holder.__annotations__ = {"it": hint}
        try:
            return typing.get_type_hints(holder, function.__globals__, include_extras=True)["it"]
        except Exception:  # noqa: BLE001  as jaxtyping does
            return Any

    def arrays(self, hint: Any) -> Iterator[Any]:
        if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
            yield hint
        inside = (*typing.get_args(hint), *getattr(hint, "__constraints__", ()), getattr(hint, "__bound__", None))
        for one in inside:
            yield from self.arrays(one) if one is not None else ()

    def recorded(self, checked: Callable[..., Any], subject: Callable[..., Any]) -> Callable[..., Any]:
        record = self.record

        @functools.wraps(subject)
        def inside(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with record:
                return checked(*args, **kwargs)

        return inside


# Before fedleak is imported: `--jaxtyping-packages` puts `@jaxtyping.jaxtyped(...)` above every function of it.
jaxtyping.jaxtyped = QuickChecks()


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
        # A GPU takes indices from memory, but not what is put there.
        used = tree_leaves((args[0], args[2:])) if name in self.INDEXED and given[0].is_meta else given
        astray = [value for value in used if isinstance(value, torch.Tensor) and not value.is_meta and value.ndim > 0]
        assert name in self.COPIES or not astray, (
            f"{name} is given {len(there)} tensors on the GPU and {len(astray)} in memory"
        )
        return function(*args, **kwargs)


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[GpuNumbers]:
    """A machine with one GPU, which computes nothing but complains of what does not lie on it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)  # optimizers ask it for a stream
    with GpuNames(), GpuNumbers() as numbers:
        yield numbers


NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(12, {hidden}), nn.Sigmoid(), nn.Linear({hidden}, 3))

    def forward(self, images):
        return self.layers(images)
"""


@pytest.fixture(scope="session")
def audited() -> Callable[[Path, int], Path]:
    """Writes what an audit leaves of an app whose module `net` has so many hidden units, and twenty images."""

    def write(folder: Path, hidden: int) -> Path:
        (folder / "task").mkdir(parents=True)
        (folder / "task" / "net.py").write_text(NETWORK.format(hidden=hidden))
        rng = np.random.default_rng(hidden)
        inputs, labels = rng.random((20, 3, 2, 2), dtype=np.float32), np.arange(20) % 3
        np.savez(folder / "task" / "images.npz", inputs=inputs, labels=labels)
        table = {"name": folder.name, "data": "app:images", "network": "net:Net", "shape": [3, 2, 2], "classes": 3}
        (folder / "task" / "task.json").write_text(json.dumps(table))
        return folder

    return write
