"""Import paths: `MODULE:NAME` of a user's own code, imported once in the process that needs it."""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from fedleak.errors import ConfigError, did_you_mean, first_line


def imported(path: str, folder: str | None, place: str) -> Any:
    """What `MODULE:NAME` stands for; modules beside the experiment, in `folder`, come before those that are installed.

    Raises `ConfigError` with the nearest name where there is no such module or no such name in it, and the first line
    of what the module raises where it cannot be imported.
    """
    module_name, _, name = path.partition(":")
    if not _is_dotted(module_name) or not _is_dotted(name):
        raise ConfigError(
            f"{place}: expected MODULE:NAME, as in mymodel:Net for the class Net in mymodel.py, got {path}"
        )
    if module_name.partition(".")[0] in sys.stdlib_module_names:
        raise ConfigError(f"{place}: '{module_name}' is a module of Python itself, which has no networks or data")
    found: Any = _module(module_name, folder, place)
    for part in name.split("."):
        if not hasattr(found, part):
            public = (known for known in vars(found) if not known.startswith("_")) if hasattr(found, "__dict__") else ()
            raise ConfigError(f"{place}: '{module_name}' has no '{part}'{did_you_mean(part, public)}")
        found = getattr(found, part)
    return found


def code_fingerprint(paths: tuple[str, ...], folder: str | None) -> str:
    """A short digest of the files of a user's modules, and of those beside the experiment that they import."""
    digest = blake2b(digest_size=8)
    for file in sorted(_files_behind({path.partition(":")[0] for path in paths}, folder)):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _module(name: str, folder: str | None, place: str) -> ModuleType:
    _make_importable(folder)
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a parent that is no package, or does not exist
        found = None
    if found is None:
        beside = sorted(_modules_in(folder))
        where = f" in {folder} or" if folder else ""
        raise ConfigError(
            f"{place}: no module is called '{name}'{where} among those that are installed{_near(name, beside)}"
        )
    _require_the_one_beside(name, folder, place)
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # it is other people's code, and raises whatever it likes
        raise ConfigError(
            f"{place}: the module '{name}' cannot be imported: {type(error).__name__}: {first_line(error)}"
        ) from error


def _near(name: str, beside: list[str]) -> str:
    return did_you_mean(name, beside) if beside else "; put its file beside the experiment, or install its package"


def _make_importable(folder: str | None) -> None:
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
        importlib.invalidate_caches()


def _modules_in(folder: str | None) -> Iterator[str]:
    root = Path(folder) if folder else None
    if root is None or not root.is_dir():
        return
    yield from (file.stem for file in root.glob("*.py") if file.stem.isidentifier())
    yield from (file.parent.name for file in root.glob("*/__init__.py"))


def _require_the_one_beside(name: str, folder: str | None, place: str) -> None:
    """A process has one module of a name: raises where another folder's came first."""
    top = name.partition(".")[0]
    known = getattr(sys.modules.get(top), "__file__", None)
    if known is None or top not in set(_modules_in(folder)):
        return
    if Path(str(folder)).resolve() not in Path(known).resolve().parents:
        raise ConfigError(f"{place}: '{top}' is a module of {known} already, and {folder} has another; rename the file")


def _files_behind(names: set[str], folder: str | None) -> set[Path]:
    """The files of modules, and of what these import as far as it lies in the folder."""
    _make_importable(folder)
    beside, found, todo = set(_modules_in(folder)), set[Path](), set(names)
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        seen.add(name)
        for file in _own_files(name):
            found.add(file)
            todo |= {one for one in _imported_by(file) if one.partition(".")[0] in beside} - seen
    return found


def _own_files(name: str) -> Iterator[Path]:
    """The file of a module, and of the packages that it is in."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        try:
            spec = importlib.util.find_spec(".".join(parts[:depth]))
        except (ImportError, ValueError):
            return
        if spec is not None and spec.origin is not None and Path(spec.origin).suffix == ".py":
            yield Path(spec.origin)


def _imported_by(file: Path) -> Iterator[str]:
    """The names of modules that a file imports, and of what it takes from them, which may be modules too."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
