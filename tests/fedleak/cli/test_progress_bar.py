"""Progress is drawn on standard error where that is a terminal, and nowhere else."""

import io
import sys

import pytest

from fedleak import progress
from fedleak.cli.progress_bar import ConsoleEvents, errors, shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Makes standard error a terminal; to be called by the test, as pytest puts its own there before one begins."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(errors, "is_interactive", True)  # it looked when it was made

    def made():
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return made


def test_a_bar_has_its_name_and_how_far_it_is(terminal):
    screen = terminal()
    with shown("profiling", "products"):
        progress.report(3, 7)
    assert "profiling" in screen.getvalue()
    assert "3/7 products" in screen.getvalue()


def test_what_is_written_meanwhile_stands_there_too(terminal):
    screen = terminal()
    with shown("profiling"):
        progress.report(1, 2)
        sys.stderr.write("a warning\n")
    assert "a warning" in screen.getvalue()


def test_a_run_draws_what_it_judges_for_its_report(terminal):
    screen = terminal()
    with ConsoleEvents() as events:
        events.judging(2, 9)
    assert "judging queries" in screen.getvalue()
    assert "2/9" in screen.getvalue()


def test_where_nobody_looks_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with shown("profiling"):
        progress.report(3, 7)
    assert sys.stderr.getvalue().strip() == ""


def test_a_standard_error_that_is_closed_ends_nothing(terminal):
    screen = terminal()
    with shown("profiling"):
        screen.close()
        progress.report(3, 7)
    with shown("profiling"):
        progress.report(3, 7)
