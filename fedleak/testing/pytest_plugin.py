"""The pytest plug-in: a fixture `fedleak` that attacks a model and a batch in a unit test.

    def test_an_attack_on_my_update_stays_near_guessing(fedleak):
        leak = fedleak.attack(model, images, labels, "inverting-gradients", steps=200)
        assert leak.psnr < leak.prior.psnr + 3, leak

    def test_nothing_comes_back_from_my_app(fedleak):
        found = fedleak.audit("path/to/app", clients=4)
        assert found.understood and not found.leaked, found

pytest imports this file in every run of whoever has fedleak installed, so it imports nothing of fedleak: torch alone
takes seconds.
"""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, no_type_check

import pytest

if TYPE_CHECKING:
    from fedleak.testing.pytest_fixture import Fedleak

_USED: "pytest.StashKey[Fedleak]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--fedleak-pictures`."""
    parser.getgroup("fedleak").addoption(
        "--fedleak-pictures",
        metavar="DIR",
        type=Path,
        help="folder for the pictures of attacks in failing tests; a test's tmp_path by default",
    )


@pytest.fixture
def fedleak(request: pytest.FixtureRequest, tmp_path: Path) -> "Fedleak":
    """Attacks a model and a batch: `fedleak.attack(model, images, labels, "inverting-gradients", steps=200)`."""
    from fedleak.testing.pytest_fixture import Fedleak

    chosen: Path | None = request.config.getoption("fedleak_pictures")
    used = Fedleak(tmp_path if chosen is None else chosen, tmp_path / "runs", request.node.nodeid)
    request.node.stash[_USED] = used
    return used


@no_type_check  # a wrapper that checks the types of a generator is none itself, and pytest wants one
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds to a failing test what its attacks got, and where the pictures lie."""
    report = yield
    used = item.stash.get(_USED, None)
    if report.when == "call" and report.failed and used is not None:
        report.sections += [("fedleak", text) for text in used.report()]
    return report
