"""Limits of control groups, in both of their versions."""

import os
from pathlib import Path

import pytest

from fedleak.doctor import machine
from fedleak.doctor.machine import usable_cores, usable_memory

GIB = 2**30


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 8 cores and 16 GiB, 12 of them free, without control groups."""
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(machine, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    kib = {"MemTotal": 16 * GIB // 1024, "MemFree": 0, "MemAvailable": 12 * GIB // 1024}
    (tmp_path / "meminfo").write_text("".join(f"{key}:  {value} kB\n" for key, value in kib.items()))
    return tmp_path


def put(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_without_control_groups_the_machine_is_the_limit(system: Path) -> None:
    assert usable_cores() == 8
    assert usable_memory() == (16 * GIB, 12 * GIB)


def test_the_tightest_group_on_the_way_up_is_the_limit(system: Path) -> None:
    put(system / "own", "0::/outer/inner")
    put(system / "cgroup/outer/cpu.max", "150000 100000")
    put(system / "cgroup/outer/inner/cpu.max", "max 100000")
    put(system / "cgroup/outer/memory.max", 4 * GIB)
    put(system / "cgroup/outer/memory.current", 1 * GIB)
    put(system / "cgroup/outer/inner/memory.max", "max")
    put(system / "cgroup/outer/inner/memory.current", 1 * GIB)
    assert usable_cores() == 1.5
    assert usable_memory() == (4 * GIB, 3 * GIB)


def test_groups_of_the_first_version_limit_each_by_itself(system: Path) -> None:
    put(system / "own", "4:memory:/job\n1:cpu:/job")
    put(system / "cgroup/cpu/job/cpu.cfs_quota_us", 200000)
    put(system / "cgroup/cpu/job/cpu.cfs_period_us", 100000)
    put(system / "cgroup/cpu/cpu.cfs_quota_us", -1)
    put(system / "cgroup/cpu/cpu.cfs_period_us", 100000)
    put(system / "cgroup/memory/job/memory.limit_in_bytes", 2 * GIB)
    put(system / "cgroup/memory/job/memory.usage_in_bytes", 3 * GIB)
    assert usable_cores() == 2
    assert usable_memory() == (2 * GIB, 0)


def test_a_quota_above_the_affinity_adds_nothing(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(system / "own", "0::/")
    put(system / "cgroup/cpu.max", "400000 100000")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5})
    assert usable_cores() == 2


def test_a_system_that_says_nothing_of_its_memory(system: Path) -> None:
    (system / "meminfo").unlink()
    assert usable_memory() is None


def test_this_machine_has_something_to_run_on() -> None:
    assert 0 < usable_cores() <= (os.cpu_count() or 1)
