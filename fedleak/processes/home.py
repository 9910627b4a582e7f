"""Home of an audited app: the one process that imports its modules, as another app's may go by the same names.

Python has one module of a name in a process. So what needs an app's network is asked of a process that imports no
other app, and that lives until this one ends.
"""

import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

from fedleak.errors import FedleakError
from fedleak.processes.ending import how_it_ended, until_the_parent_ends
from fedleak.processes.preload import worker_context

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def at_home(app: str | None, ask: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
    """What a function comes to in the home of an app, by the folder of its modules; in this process where it is None.

    Function, arguments and answer are pickled, so none of them may hold a class of the app's. Raises what the function
    raises, and `FedleakError` where importing the app ends its process.
    """
    if app is None or app == _Settled.app:
        return ask(*given, **named)
    with _LOCK:
        home = _HOMES.get(app)
        if home is None or not home.process.is_alive():
            home = _HOMES[app] = Home(app)
        try:
            answer: Answer = home.asked(ask, given, named)
        except BaseException:
            if not home.idle:  # interrupted, or gone: what it still says answers nothing
                _HOMES.pop(app).end()
            raise
        return answer


def leave_homes() -> None:
    """Ends all homes, as where apps are found in another place from now on."""
    with _LOCK:
        while _HOMES:
            _HOMES.popitem()[1].end()


def settle(app: str | None) -> None:
    """Makes this process an app's home, for good; of none it stays what it is."""
    sys.dont_write_bytecode = sys.dont_write_bytecode or app is not None  # a run keeps what was audited and no more
    assert app is None or _Settled.app in (None, app), "a process imports one app"
    _Settled.app = app or _Settled.app


class _Settled:
    """Whose home this process is."""

    app: str | None = None


class Home:
    """A process, and the pipe to it."""

    def __init__(self, app: str) -> None:
        context = worker_context()
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_live, args=(theirs, app), daemon=True)
        self.idle = True
        """Whether it has answered all that it was asked."""
        self.process.start()
        theirs.close()

    def asked(self, ask: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """What the function comes to there."""
        self.idle = False
        try:
            self.pipe.send((ask, given, named))
            done, answer = self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join()
            raise FedleakError(
                f"the process that imports the app ended ({how_it_ended(self.process.exitcode)}) when it was asked; in "
                "a script, begin below `if __name__ == '__main__':`, else look for what in the app's modules ends it"
            ) from error
        self.idle = True
        if not done:
            raise answer
        return answer

    def end(self) -> None:
        """Ends the process, whatever it is at."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


_HOMES: dict[str, Home] = {}
_LOCK = threading.RLock()


def _live(pipe: Connection, app: str) -> None:
    """In the process: one question after another, on one thread, until nobody can ask any more."""
    until_the_parent_ends()
    threadpool_limits(1)
    settle(app)
    while True:
        try:
            ask, given, named = pipe.recv()
        except EOFError:
            return
        pipe.send(_answered(ask, given, named))


def _answered(ask: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> tuple[bool, Any]:
    try:
        return True, ask(*given, **named)
    except Exception as error:  # noqa: BLE001  it is raised again where it was asked
        return False, error
