"""The import graph proves the threat model; each kind of breach, planted in a copy, must fail the build."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTIES = ("attacks", "clients", "server")


def lint(layout: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(layout), "COLUMNS": "200"}
    return subprocess.run(command, cwd=layout, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages as the wheel lays them out: every party below fedleak."""
    folder = tmp_path_factory.mktemp("layout")
    shutil.copytree(ROOT / "fedleak", folder / "fedleak", ignore=shutil.ignore_patterns("__pycache__"))
    for party in PARTIES:
        shutil.copytree(ROOT / party, folder / "fedleak" / party, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.slow
def test_the_contracts_are_kept(layout: Path) -> None:
    result = lint(layout)
    assert result.returncode == 0, result.stdout


TRUTH = "attacks and the server cannot reach the truth, not even through others"
BREACHES = [
    ("attacks", "from fedleak.vault import withdraw", TRUTH),
    ("attacks", "from fedleak import data", TRUTH),
    ("attacks", "from fedleak.clients import app", "no party imports another party"),
    ("attacks", "import flwr", "attacks know nothing of Flower"),
    ("attacks", "from fedleak.defenses import top_k", "attacks cannot make what the clients' seeds make"),
    ("attacks", "import server.app", "parties have one name, below fedleak"),
    ("server", "from fedleak.attacks.gradient_matching.dlg import DLG", "no party imports another party"),
    ("server", "from fedleak.evaluation.scoring import score", TRUTH),
    ("clients", "from ..server import tap", "the server is imported by itself alone"),
    ("metrics", "from fedleak.attacks import parts", "the attacks are imported by themselves alone"),
    ("metrics", "from fedleak.clients import app", "the clients are imported by themselves alone"),
    ("report", "from fedleak.vault import withdraw", "the truth is read through messages alone"),
]
"""Where a line is planted, the line, and the contract that it breaks."""


def broken(said: str) -> dict[str, str]:
    """What the linter says of each broken contract, by the contract's name: a line with a line of dashes below."""
    _, *parts = re.split(r"^(.+)\n-{3,}\n", said.partition("Broken contracts")[2], flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_breach_breaks_its_contract(layout: Path) -> None:
    """All planted at once, each in a file of its own, which the linter must name below the contract."""
    planted = [layout / "fedleak" / room / f"planted_{number}.py" for number, (room, _, _) in enumerate(BREACHES)]
    for path, (_, line, _) in zip(planted, BREACHES, strict=True):
        path.write_text(line + "\n")
    try:
        result = lint(layout)
    finally:
        for path in planted:
            path.unlink()
    assert result.returncode == 1
    found = broken(result.stdout)
    unseen = [
        (path.stem, line, contract)
        for path, (room, line, contract) in zip(planted, BREACHES, strict=True)
        if f"fedleak.{room}.{path.stem} -> " not in found.get(contract, "")
    ]
    assert unseen == []


BACK_DOORS = {"importlib", "import_module", "runpy", "pkgutil", "builtins", "sys", "gc", "__import__", "eval", "exec"}
SECRETS = {"generator", "seed_of", "initial_weights", "private_key"}
"""What turns a seed into the clients' weights, noise and keys: an attack that guessed the seed could cheat."""


def names_in(source: str) -> set[str]:
    """Every name that a file imports, mentions or takes from an object."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {part for alias in node.names for part in alias.name.split(".")}
            names |= set((getattr(node, "module", None) or "").split("."))
    return names


def offenders(words: set[str], *parties: str) -> list[str]:
    """The files of these parties that say one of these words."""
    files = [path for party in parties for path in sorted((ROOT / party).rglob("*.py"))]
    assert files
    return [str(path.relative_to(ROOT)) for path in files if names_in(path.read_text()) & words]


def test_the_adversary_imports_nothing_behind_the_linter_s_back() -> None:
    assert offenders(BACK_DOORS, "attacks", "server") == []


def test_an_attack_cannot_make_what_the_seed_makes() -> None:
    assert offenders(SECRETS, "attacks") == []


@pytest.mark.parametrize(
    "line",
    ["from importlib import import_module", "import sys", "import runpy as r", "x.__import__('fedleak.vault')"],
)
def test_a_back_door_is_seen(line: str) -> None:
    assert names_in(line) & BACK_DOORS
