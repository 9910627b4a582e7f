"""Ends of processes: how a child ended, and that it ends when its parent does."""

import multiprocessing
import os
import signal
import threading


def how_it_ended(exitcode: int | None) -> str:
    """An exit code in words: `signal 9, SIGKILL`."""
    if exitcode is None or exitcode >= 0:
        return f"exit status {exitcode}"
    return f"signal {-exitcode}, {signal.Signals(-exitcode).name}"


def until_the_parent_ends() -> None:
    """In a child: Ctrl-C is the parent's affair, and without a parent there is nobody to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
