"""The import graph proves the threat model; breaches of every contract, planted in a copy, must fail the build."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTIES = ("attacks", "clients", "server")


@dataclass(frozen=True)
class Breach:
    """A line that must not stand in a room, and the contract that forbids it there."""

    contract: str
    room: str
    line: str


INDEPENDENCE = "no party imports another party"
TRUTH = "attacks and the server cannot reach the truth, not even through others"
MESSAGES = "the truth is read through messages alone"
FLOWER = "attacks know nothing of Flower"
SEEDS = "attacks cannot make what the clients' seeds make"
SERVICE = "attacks ask a service and open none"
ONE_NAME = "parties have one name, below fedleak"
LADDER = "no import climbs the ladder"
TAP = "the tap in somebody's server brings neither PyTorch nor the rest of fedleak along"
COLUMNS = "parties that hold columns do not know each other"
GUARD = "the guard of a site needs no framework, and nothing of what it guards against"
BREACHES = [
    Breach(GUARD, "guard", "import torch"),
    Breach(GUARD, "guard", "from fedleak.federation import wire"),
    Breach(COLUMNS, "clients/active", "from ..passive.party import PassiveParty"),
    Breach(COLUMNS, "clients/passive", "from ..active import party"),
    Breach(INDEPENDENCE, "attacks", "from fedleak.clients import app"),
    Breach(INDEPENDENCE, "server", "from fedleak.attacks.gradient_matching.dlg import DLG"),
    Breach(INDEPENDENCE, "clients", "from ..server import tap"),
    Breach("the attacks are imported by themselves alone", "metrics", "from fedleak.attacks import parts"),
    Breach("the attacks are imported by themselves alone", "report", "from fedleak.attacks.parts import certificates"),
    Breach("the clients are imported by themselves alone", "federation", "from fedleak.clients import share"),
    Breach("the server is imported by itself alone", "evaluation", "from fedleak.server import tap"),
    Breach(TRUTH, "attacks", "from fedleak.vault.batches import withdraw"),
    Breach(TRUTH, "attacks", "from fedleak import data"),
    Breach(TRUTH, "attacks", "from fedleak import evaluation"),
    Breach(TRUTH, "attacks", "from fedleak.verification import verify"),
    Breach(TRUTH, "attacks", "from fedleak import api"),
    Breach(TRUTH, "server", "from fedleak.evaluation.scoring import score"),
    Breach(TRUTH, "server", "from fedleak.vault.batches import withdraw"),
    Breach(TRUTH, "server", "from fedleak.data.partitioning import partition"),
    Breach(MESSAGES, "report", "from fedleak.vault.batches import withdraw"),
    Breach(MESSAGES, "campaign", "from fedleak.vault import batches"),
    Breach(MESSAGES, "evaluation", "from fedleak.vault.batches import PrivateBatch"),
    Breach(FLOWER, "attacks", "import flwr"),
    Breach(FLOWER, "attacks", "from flwr_datasets import FederatedDataset"),
    Breach(FLOWER, "attacks", "from fedleak.federation import wire"),
    Breach(SEEDS, "attacks", "from fedleak.federation.reply import reply"),
    Breach(SEEDS, "attacks", "from fedleak.tasks import initial_weights"),
    Breach(SEEDS, "attacks", "from fedleak.defenses import secure_aggregation"),
    Breach(SEEDS, "attacks", "from fedleak.recording.files import read_recording"),
    Breach(SEEDS, "attacks", "from fedleak.secure_aggregation.keys import Seeded"),
    Breach(SERVICE, "attacks", "from fedleak.serving.served_model import ServedModel"),
    Breach(SERVICE, "attacks", "from fedleak.serving import log"),
    Breach(ONE_NAME, "attacks", "import server.app"),
    Breach(ONE_NAME, "cli", "from clients.share import share_of"),
    Breach(ONE_NAME, "evaluation", "from attacks.parts import certificates"),
    Breach(TAP, "wiretap", "import torch"),
    Breach(TAP, "wiretap", "from fedleak import errors"),
    Breach(LADDER, "wiretap", "from fedleak.recording import files"),
    Breach(LADDER, "contracts", "from fedleak.cli import app"),
    Breach(LADDER, "gate", "from fedleak.report import page"),
    Breach(LADDER, "results", "from fedleak import tasks"),
    Breach(LADDER, "learning", "from fedleak.io import atomic"),
    Breach(LADDER, "analysis", "from fedleak import run"),
]


def lint(layout: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(layout), "COLUMNS": "200"}
    return subprocess.run(command, cwd=layout, capture_output=True, text=True, env=environment, check=False)


def contracts() -> set[str]:
    """The names of the import contracts."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["name"] for contract in configuration["tool"]["importlinter"]["contracts"]}


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """The packages as the wheel lays them out: every party below fedleak."""
    bytecode = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "fedleak", tmp_path / "fedleak", ignore=bytecode)
    for party in PARTIES:
        shutil.copytree(ROOT / party, tmp_path / "fedleak" / party, ignore=bytecode)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_contracts_are_kept(layout: Path) -> None:
    result = lint(layout)
    assert result.returncode == 0, result.stdout


def test_every_contract_has_a_breach() -> None:
    assert {breach.contract for breach in BREACHES} == contracts()


def complaints(report: str) -> dict[str, str]:
    """What import-linter says of each broken contract, by name: a name underlined, then its breaches."""
    _, *parts = re.split(r"^(\S.*)\n-{3,}\n", report.partition("Broken contracts")[2], flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_breach_breaks_its_contract(layout: Path) -> None:
    """All are planted at once, each in a file of its own, which the complaint about its contract must name."""
    for number, breach in enumerate(BREACHES):
        (layout / "fedleak" / breach.room / f"planted_{number}.py").write_text(f"{breach.line}\n")
    (layout / "fedleak" / "homeless.py").touch()
    result = lint(layout)
    said = complaints(result.stdout)
    unseen = [
        breach
        for number, breach in enumerate(BREACHES)
        if f"fedleak.{breach.room.replace('/', '.')}.planted_{number} -> " not in said.get(breach.contract, "")
    ]
    assert result.returncode == 1
    assert not unseen, result.stdout
    assert "homeless" in said[LADDER], "a room without a floor"


# What a linter of imports cannot see.

SLOW = r"^(?:from|import) (sklearn|torchvision|pandas|datasets|flwr_datasets|skimage)\b"
"""A second each, and more: a process that reads all plug-ins must not pay for what it does not use."""


def test_what_is_slow_to_import_is_imported_where_it_is_used() -> None:
    paths = [path for folder in ("fedleak", *PARTIES) for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in paths if re.search(SLOW, path.read_text(encoding="utf-8"), re.MULTILINE)] == []


BACK_DOORS = {"importlib", "import_module", "runpy", "pkgutil", "builtins", "sys", "gc", "__import__", "eval", "exec"}
FILES = {
    "open",
    "os",
    "io",
    "pathlib",
    "Path",
    "load",
    "fromfile",
    "subprocess",
    "inspect",
    "getattr",
    "vars",
    "globals",
}
"""With these an attack could read the vault off the disk, or the frames of whoever calls it."""

SECRETS = {
    "generator": "fedleak/randomness.py",
    "seed_of": "fedleak/randomness.py",
    "initial_weights": "fedleak/tasks.py",
    "seeded_bytes": "fedleak/secure_aggregation/keys.py",
}
"""What turns a seed into the clients' weights, noise and keys, and where: an attack that guessed it could cheat."""

SEEDED = {"seeded": 0, "client_round": 5, "train_locally": 4}
"""What an attack may seed by words of its own, and which argument they are, or begin with."""


def names_in(source: str) -> set[str]:
    """Every name that a file imports, mentions or takes from an object; but for the options of its own classes."""
    names: set[str] = set()
    tree = ast.parse(source)
    bodies = [statement for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for statement in node.body]
    options = {id(statement.target) for statement in bodies if isinstance(statement, ast.AnnAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in options:
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            names.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {part for alias in node.names for part in alias.name.split(".")}
            names |= set((getattr(node, "module", None) or "").split("."))
    return names


def words_of_others(source: str) -> list[int]:
    """The lines that seed draws with what is no word written there: a client's seed key begins with a number."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [(call, getattr(call.func, "id", getattr(call.func, "attr", None))) for call in calls]
    return [call.lineno for call, name in named if name in SEEDED and not own_word(call.args[SEEDED[name] :])]


def own_word(arguments: list[ast.expr]) -> bool:
    """Whether the first of these arguments, or the first in it, is a word in quotes."""
    first = arguments[0] if arguments else None
    first = first.elts[0] if isinstance(first, ast.Tuple) and first.elts else first
    return isinstance(first, ast.Constant) and isinstance(first.value, str)


def offenders(parties: Iterable[str], names: Iterable[str]) -> list[str]:
    """The files of some parties that mention any of these names, with those."""
    paths = [path for party in parties for path in sorted((ROOT / party).rglob("*.py"))]
    found = [(path.relative_to(ROOT), names_in(path.read_text()) & set(names)) for path in paths]
    assert found
    return [f"{path}: {', '.join(sorted(mentioned))}" for path, mentioned in found if mentioned]


def test_the_adversary_imports_nothing_behind_the_linter_s_back() -> None:
    assert not offenders(["attacks", "server"], BACK_DOORS)
    assert not offenders(["attacks"], FILES)


def test_an_attack_cannot_make_what_the_seed_makes() -> None:
    assert not offenders(["attacks"], {*SECRETS, "manual_seed", "set_rng_state"})
    paths = sorted((ROOT / "attacks").rglob("*.py"))
    assert not [f"{path}:{line}" for path in paths for line in words_of_others(path.read_text())]


@pytest.mark.parametrize(
    "line",
    ["from importlib import import_module", "import sys", "import runpy as r", "x.__import__('fedleak.vault')"],
)
def test_a_back_door_is_seen(line: str) -> None:
    assert names_in(line) & BACK_DOORS


@pytest.mark.parametrize(
    "line", ["from fedleak.randomness import generator", "randomness.generator(7)", "x = generator", "self.x.generator"]
)
def test_a_secret_is_seen_and_an_option_of_its_name_is_none(line: str) -> None:
    assert names_in(line) & {*SECRETS}
    option = "class Attack:\n    generator: str = 'gan'\n    def draw(self) -> str:\n        return self.generator\n"
    assert not names_in(option) & {*SECRETS}


@pytest.mark.parametrize(
    "line", ["seeded(7, 'client', 0, 1)", "randomness.seeded(*key)", "seeded()", "client_round(a, b, c, d, e, key)"]
)
def test_draws_that_could_be_a_client_s_are_seen(line: str) -> None:
    assert words_of_others(line) == [1]
    assert not words_of_others("seeded('own', seed); train_locally(a, b, c, d, ('own', seed))")


def test_secrets_are_made_where_they_are_said_to_be() -> None:
    """So that a new name for one of them cannot leave the old one guarded."""
    made = {name for name, path in SECRETS.items() if f"\ndef {name}(" in (ROOT / path).read_text()}
    assert made == set(SECRETS)
