"""Ends of processes in words."""

import signal

from fedleak.processes.ending import how_it_ended


def test_an_end_is_told_by_its_status_or_its_signal() -> None:
    assert how_it_ended(3) == "exit status 3"
    assert how_it_ended(-signal.SIGKILL) == "signal 9, SIGKILL"
