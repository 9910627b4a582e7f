"""Home of an app: one process for all questions about it, and none of its modules anywhere else."""

import os
import sys
from pathlib import Path

import pytest

from fedleak.errors import ConfigError, FedleakError
from fedleak.processes import home
from fedleak.processes.home import at_home, leave_homes


@pytest.fixture(autouse=True)
def _none_left() -> None:
    leave_homes()


def imported_from(folder: str) -> tuple[str, int]:
    sys.path.insert(0, folder)
    import same  # type: ignore[import-not-found]

    return same.WORD, os.getpid()


def refuse(word: str) -> None:
    raise ConfigError(f"task: {word}")


def end(status: int) -> None:
    os._exit(status)


def test_two_apps_with_modules_of_one_name_get_their_own_and_this_process_none(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.py").write_text(f"WORD = '{name}'\n")
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    answers = [at_home(one, imported_from, one) for one in (a, b, a)]
    assert [word for word, _ in answers] == ["a", "b", "a"]
    processes = [process for _, process in answers]
    assert processes[0] == processes[2]
    assert len({*processes, os.getpid()}) == 3
    assert "same" not in sys.modules
    assert not list(tmp_path.rglob("__pycache__"))


def test_without_an_app_it_is_asked_here() -> None:
    assert at_home(None, os.getpid) == os.getpid()


def test_what_is_raised_there_is_raised_here_and_a_process_that_ends_is_told_and_replaced() -> None:
    with pytest.raises(ConfigError, match=r"^task: no such network$"):
        at_home("x", refuse, "no such network")
    first = at_home("x", os.getpid)
    with pytest.raises(FedleakError, match=r"the process that imports the app ended \(exit status 7\)"):
        at_home("x", end, 7)
    assert at_home("x", os.getpid) != first


def test_leaving_ends_them() -> None:
    at_home("x", os.getpid)
    process = home._HOMES["x"].process
    leave_homes()
    assert not process.is_alive()
    assert not home._HOMES
