"""Error log of a run: tracebacks go into a file, sentences to whoever watches, and all of them are counted."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exception

from fedleak.campaign.events import Errors, Events
from fedleak.errors import OutputError, sentence
from fedleak.federation.outcome import ClientFailure
from fedleak.results.row import Place
from fedleak.runs.cell_file import Saved


@dataclass(frozen=True, kw_only=True)
class ErrorLog:
    """What went wrong in a run that goes on all the same."""

    path: Path
    """The file of tracebacks."""
    events: Events
    errors: Errors = field(default_factory=Errors)

    def crashed(self, place: Place, saved: Saved) -> None:
        """An attack that raised; nothing where it did not."""
        if saved.crash is None:
            return
        where = f"{place.attack} on {' '.join(filter(None, [place.defense, place.federation]))}"
        where += f", round {place.round}, {place.client}"
        self.write(where, saved.crash.traceback)
        reason = (saved.rows[0].reason if saved.rows else None) or saved.crash.traceback.strip().splitlines()[-1]
        self._add(f"{where}: {reason}", (place.attack, reason), saved.crash.exit_status)

    def client_failed(self, defense: str, federation: str, failure: ClientFailure) -> None:
        """A client that did not do its part; but for whose it is, the same failure is of one kind."""
        where = " ".join(filter(None, [defense, federation]))
        said = f"{where}, round {failure.round}, client {failure.client}: {failure.reason}"
        self._add(said, (defense, re.sub(r"\d+", "", failure.reason)), 2 if failure.user_error else 1)

    def broke(self, what: str, error: BaseException) -> None:
        """Something beside the cells has a bug: its traceback is kept, and the run has an error."""
        self.write(what, "".join(format_exception(error)))
        self._add(f"{what}: {sentence(error)}", (what,), 1)

    def write(self, where: str, traceback: str) -> None:
        """Keeps a traceback; raises `OutputError` where the file cannot be written."""
        try:
            with self.path.open("a") as log:
                log.write(f"{where}\n{traceback}\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from error

    def _add(self, said: str, kind: tuple[object, ...], exit_status: int) -> None:
        if self.errors.add(said, kind, exit_status):
            self.events.problem(said)
