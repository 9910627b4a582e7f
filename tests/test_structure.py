"""The structure of the source is the one that was promised, and `benchmarks/structure.py` sees where it is not."""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("attacks", "clients", "fedleak", "server")


@pytest.fixture(scope="module")
def structure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("structure", ROOT / "benchmarks" / "structure.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["structure"] = module  # dataclasses look there for the names in annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small checkout that keeps every promise."""
    for package in PACKAGES:
        put(tmp_path, f"{package}/__init__.py", '"""A package."""\n')
    put(tmp_path, "fedleak/upper/__init__.py", '"""A room."""\n')
    put(tmp_path, "fedleak/upper/one.py", "from fedleak.lower import two\n")
    put(tmp_path, "fedleak/lower/__init__.py", '"""Another."""\n')
    put(tmp_path, "fedleak/lower/two.py", "")
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def circle_of_files(root: Path) -> None:
    put(root, "fedleak/lower/two.py", "from . import three\n")
    put(root, "fedleak/lower/three.py", "def late():\n    from fedleak.lower.two import anything\n")


def circle_of_rooms(root: Path) -> None:
    put(root, "fedleak/upper/four.py", "")
    put(root, "fedleak/lower/five.py", "from ..upper.four import anything\n")


def circle_in_a_party(root: Path) -> None:
    for room, other in (("high", "low"), ("low", "high")):
        put(root, f"attacks/{room}/__init__.py", '"""A room."""\n')
        put(root, f"attacks/{room}/one.py", f"from ..{other}.two import anything\n")
        put(root, f"attacks/{room}/two.py", "")


def long_file(root: Path) -> None:
    put(root, "server/tap.py", "pass\n" * 251)


def loose_files(root: Path) -> None:
    for number in range(16):
        put(root, f"fedleak/loose_{number}.py", "")


def many_files(root: Path) -> None:
    for number in range(914):
        put(root, f"clients/client_{number}.py", "")


def code_in_a_package(root: Path) -> None:
    put(root, "fedleak/lower/__init__.py", '"""A room."""\nfrom fedleak.lower.two import anything\n')


def package_without_docstring(root: Path) -> None:
    put(root, "server/__init__.py", "")


@pytest.mark.slow
def test_this_tree_keeps_every_promise(structure: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert structure.main(ROOT) == 0, capsys.readouterr().out
    assert "BROKEN" not in capsys.readouterr().out


def test_a_tree_may_be_as_long_and_as_wide_as_promised(structure: ModuleType, tree: Path) -> None:
    put(tree, "server/tap.py", "pass\n" * 250)
    for number in range(15):
        put(tree, f"fedleak/loose_{number}.py", "")
    assert structure.main(tree) == 0


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (circle_of_files, "a circle of files: fedleak.lower."),
        (circle_of_rooms, "a circle of rooms in fedleak: "),
        (circle_in_a_party, "a circle of rooms in fedleak.attacks: "),
        (long_file, "fedleak.server.tap has 251 lines, at most 250 expected"),
        (loose_files, "16 loose files at the top of fedleak, at most 15 expected"),
        (many_files, "916 files, at most 915 expected"),
        (code_in_a_package, "the __init__.py of fedleak.lower holds other than a docstring"),
        (package_without_docstring, "the __init__.py of fedleak.server holds other than a docstring"),
    ],
)
def test_a_broken_promise_is_a_sentence(
    structure: ModuleType,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    sentence: str,
) -> None:
    spoil(tree)
    assert structure.main(tree) == 1
    broken = [line for line in capsys.readouterr().out.splitlines() if line.startswith("BROKEN: ")]
    assert broken[0].startswith(f"BROKEN: {sentence}")


@pytest.mark.slow
def test_files_of_this_tree_in_a_circle_are_found(structure: ModuleType, tmp_path: Path) -> None:
    """The same in a copy of what there is: the lowest file imports the highest."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    errors = tmp_path / "fedleak" / "errors.py"
    errors.write_text(errors.read_text() + "from fedleak.cli import app\n")
    assert any("circle of files" in sentence for sentence in structure.broken(tmp_path, structure.sources(tmp_path)))
