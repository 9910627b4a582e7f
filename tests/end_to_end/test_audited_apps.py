"""Two audited apps whose modules share their names, in one campaign: each as if it were alone, and kept by the run."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app

EXPERIMENT = """
name = "apps"
task = {tasks}
[federation]
clients = 2
[adversary]
auxiliary = 2
[[defenses]]
name = "none"
[[defenses]]
name = "masked"
chain = [{{ use = "secure-aggregation" }}]
"""


def asked(status: int, *arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == status, done.output
    assert "net" not in sys.modules  # nothing of an app is imported here, whatever is asked of it
    return done.output


def told(folder: Path) -> dict[str, str]:
    """Digests of what clients sent and trained on."""
    files = (path for path in folder.rglob("round-*/*") if path.suffix in (".json", ".safetensors"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(at: Path, out: str, apps: list[str], *options: object) -> Path:
    file = at / f"{out}.toml"
    file.write_text(EXPERIMENT.format(tasks=json.dumps([f"app:{one}" for one in apps])))
    asked(0, "run", file, "--out", at / out, *options)
    return at / out


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, audited: Callable[[Path, int], Path]) -> Path:
    """A folder with two audits, and what each comes to alone."""
    at = tmp_path_factory.mktemp("apps")
    for name, hidden in (("one", 4), ("two", 5)):
        audited(at / name, hidden)
        run(at, f"alone-{name}", [name])
    return at


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_each_is_to_the_byte_what_it_is_alone(place: Path, jobs: int) -> None:
    together = run(place, f"jobs-{jobs}", ["one", "two"], "--jobs", jobs)
    for name in ("one", "two"):
        alone = place / f"alone-{name}"
        for part in ("recordings", "vault"):
            assert told(alone / part)
            assert told(together / part / f"task={name}") == told(alone / part)
    assert told(together / "recordings" / "task=one") != told(together / "recordings" / "task=two")


@pytest.mark.slow
def test_a_run_needs_no_audit_any_more_and_stands_by_what_was_audited(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "one", tmp_path / "one")
    attack = 'attacks=[{use="prior"}]'
    made = run(tmp_path, "run", ["one"], "--set", attack)
    (address,) = json.loads((made / "manifest.json").read_text())["apps"]
    with (tmp_path / "one" / "task" / "net.py").open("a") as file:
        file.write("# another\n")
    assert "have changed since" in asked(2, "run", tmp_path / "run.toml", "--out", made, "--set", attack)
    shutil.rmtree(tmp_path / "one")
    asked(0, "run", made / "experiment.toml", "--out", made)
    made = made.rename(tmp_path / "moved")
    asked(0, "verify", made)
    asked(0, "report", made)
    code = made / "apps" / address / "net.py"
    code.write_text(code.read_text() + "# another")
    for command in ("verify", "report"):
        assert f"net.py in {code.parent} changed: expected the audited app {address[:12]}" in asked(2, command, made)
