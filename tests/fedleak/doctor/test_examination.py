"""What the doctor says of a machine that lacks something."""

import sys
from collections import namedtuple
from collections.abc import Iterable
from importlib.metadata import EntryPoint, PackageNotFoundError
from pathlib import Path

import pytest

from fedleak.contracts.attack import Attack, attacks
from fedleak.data import torchvision_sets
from fedleak.doctor import examination, machine, software
from fedleak.doctor.check import Check
from fedleak.doctor.examination import check_data, check_plugins, healthy
from fedleak.doctor.machine import check_machine
from fedleak.doctor.software import check_needed, check_optional

GIB = 2**30


def by_name(checks: Iterable[Check]) -> dict[str, Check]:
    return {check.what: check for check in checks}


def test_everything_needed_is_here() -> None:
    checks = list(check_needed())
    assert healthy(checks)
    assert {"Python", "fedleak", "torch", "flwr", "duckdb"} <= set(by_name(checks))
    assert "ruff" not in by_name(checks)  # an extra


def test_a_package_that_is_absent_or_too_old_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"present": "2.5", "old": "1.0"}

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(software, "version", version)
    monkeypatch.setattr(
        software,
        "requires",
        lambda name: ["present>=2,<3", "old>=2", "absent", "elsewhere; sys_platform == 'none'", "x; extra == 'dev'"],
    )
    found = by_name(check_needed())
    assert found["present"].state == "ok"
    assert (found["old"].state, found["old"].found) == ("missing", "1.0, expected >=2")
    assert "pip install 'old>=2'" in found["old"].remedy
    assert found["absent"].state == "missing"
    assert not {"elsewhere", "x"} & set(found)
    assert not healthy(list(found.values()))


def test_source_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(software, "requires", requires)
    assert by_name(check_needed())["packages"].state == "missing"


def test_without_torch_nothing_can_be_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = by_name(check_machine(tmp_path))
    assert found["torch"].state == "missing"
    assert "GPU" not in found


@pytest.mark.parametrize(("free", "state"), [(GIB // 2, "note"), (5 * GIB, "ok")])
def test_a_full_disk_and_little_memory_are_worth_knowing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: str
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: usage(10 * GIB, 0, free))
    monkeypatch.setattr(machine, "usable_memory", lambda: (10 * GIB, free))
    found = by_name(check_machine(tmp_path / "runs" / "not there yet"))
    assert (found["disk"].state, found["memory"].state) == (state, state)
    assert str(tmp_path) in found["disk"].found
    assert bool(found["disk"].remedy) == (state == "note")


def test_jobs_are_as_many_as_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 6.0)
    monkeypatch.setattr(machine, "usable_memory", lambda: (64 * GIB, 4 * GIB))
    assert by_name(check_machine(tmp_path))["cores"].remedy == "`fedleak run --jobs 4` uses them"
    monkeypatch.setattr(machine, "usable_memory", lambda: (64 * GIB, 40 * GIB))
    assert by_name(check_machine(tmp_path))["cores"].remedy == "`fedleak run --jobs 6` uses them"


def test_more_threads_than_cores_are_worth_knowing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 0.5)
    torch = by_name(check_machine(tmp_path))["torch"]
    assert torch.state == "note"
    assert "OMP_NUM_THREADS=1" in torch.remedy


@pytest.mark.slow
def test_data_in_packages_is_read_and_data_in_files_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FEDLEAK_DATA", str(tmp_path))
    monkeypatch.setattr(torchvision_sets, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    found = by_name(check_data())
    assert {name: found[name].found for name in ("digits", "faces", "mnist")} == {
        "digits": "1,797 examples",
        "faces": "200 examples",
        "mnist": "5,000 examples",
    }
    for name in ("cifar10", "cifar100", "fashion-mnist"):
        assert found[name].state == "note"
        assert str(tmp_path) in found[name].remedy
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "train-images-idx3-ubyte.gz").touch()
    found = by_name(check_data())
    assert [found[name].state for name in ("cifar10", "cifar100", "fashion-mnist")] == ["ok", "note", "ok"]
    assert not (tmp_path / "FashionMNIST").exists()


def test_a_lost_file_of_a_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from fedleak.data import digits
    from fedleak.errors import DataError

    def lost(package: str, path: str) -> Path:
        raise DataError("expected it, found none; install the package")

    monkeypatch.setattr(digits, "package_file", lost)
    check = by_name(check_data())["digits"]
    assert (check.state, check.found, check.remedy) == (
        "missing",
        "expected it, found none",
        "install the package",
    )


def test_a_plug_in_that_does_not_load_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        EntryPoint(name="good", value="json", group="fedleak.plugins"),
        EntryPoint(name="bad", value="no_such_module_anywhere", group="fedleak.plugins"),
    ]
    monkeypatch.setattr(examination, "entry_points", lambda group: entries)
    found = by_name(check_plugins())
    assert (found["good"].state, found["good"].found) == ("note", "json, of an unknown package: registers nothing")
    assert "outside the import contracts" in found["good"].remedy
    assert found["bad"].state == "missing"
    assert "no_such_module_anywhere" in found["bad"].found
    monkeypatch.setattr(examination, "entry_points", lambda group: [])
    assert [check.state for check in check_plugins()] == ["ok"]


def test_what_an_outsider_registers_is_listed_as_outside_the_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        examination, "entry_points", lambda group: [EntryPoint(name="one", value=__name__, group=group)]
    )

    @attacks.register("doctor-outsider")
    class Outsider(Attack):
        """Guesses nothing."""

    try:
        (check,) = check_plugins()
    finally:
        del attacks._discovered["doctor-outsider"]
    assert check.found.endswith("of an unknown package: attack 'doctor-outsider'")
    assert (check.state, check.remedy) == ("note", examination.UNHELD)


def test_optional_tools_are_never_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(software.sys, "executable", str(tmp_path / "python"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    found = by_name(check_optional())
    assert {found[name].state for name in ("tensorboard", "docker compose", "git", "chromium")} == {"note"}
    assert all(found[name].remedy for name in ("tensorboard", "docker compose", "git", "chromium"))
    assert found["RAY_ADDRESS"].found == "not set"
    assert healthy(list(found.values()))


@pytest.mark.slow
def test_a_tool_that_fails_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "ray://example:1")
    found = by_name(check_optional())
    assert found["git"].found == "`git --version` fails"
    assert found["RAY_ADDRESS"].found == "ray://example:1"
    assert "not tried" in found["ray"].found
