"""Refusals, and the site's journal of them: JSON lines that nobody but its owner reads."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from fedleak.errors import FedleakError

logger = logging.getLogger(__name__)


class Refused(FedleakError):  # noqa: N818  a result, which the server is told
    """What would leave breaks a rule of the site.

    The message goes to the server: it has the rule, bounds, figures of three digits, and no word that the app chose.
    `detail` stays at the site.
    """

    def __init__(self, rule: str, reason: str, detail: str = "") -> None:
        super().__init__(f"the guard of this site refuses: {reason} ({rule})")
        self.rule, self.detail = rule, detail


def figure(value: int | float) -> str:
    """A number to be said to the server: three digits, in which little can be hidden."""
    return f"{value:.3g}"


def note(path: Path, refused: Refused, about: dict[str, object]) -> None:
    """Adds a refusal to the journal, which is made readable by its owner alone.

    Where it cannot be written the log has it: the refusal stands in either case.
    """
    row = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **about,
        "rule": refused.rule,
        "reason": str(refused),
        "detail": refused.detail,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, (json.dumps(row) + "\n").encode())
        finally:
            os.close(handle)
    except OSError:
        logger.exception("cannot write the guard's journal %s, which should have: %s", path, row)
