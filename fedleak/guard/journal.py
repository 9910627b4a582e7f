"""What a site writes down: its refusals, which nobody but its owner reads, and how often it has answered."""

import hashlib
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fedleak.errors import FedleakError
from fedleak.guard.policy import Policy

logger = logging.getLogger(__name__)
WAIT = 60.0
"""Seconds that a process waits for the others."""
LONGEST_LABEL = 40
UNNAMED = "unnamed "
Rounds = dict[str, int]
"""Answers by round, of one type of message in one run."""


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


def label_of(*parts: object) -> str:
    """What a server calls a round, as a key; a long one by its digest, since the server chooses it."""
    label = " ".join(str(part) for part in parts if part not in ("", None))
    if len(label) <= LONGEST_LABEL:
        return label
    return hashlib.blake2b(label.encode(errors="backslashreplace"), digest_size=8).hexdigest()


class Ledger:
    """Counts what is answered, before it is: an error and a refusal are answers too, as they tell something."""

    def __init__(self, policy: Policy) -> None:
        self._policy, self._path = policy, Path(policy.state)

    def take(self, run: int, node: int, message_type: str, label: str) -> None:
        """Writes an answer down; raises `Refused` where there is none left, or where none can be written down."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock", timeout=WAIT, mode=0o600):
                answers = self._read()
                self._count(answers, str(run), self._key(node, message_type), label, message_type)
                self._write(answers)
        except (OSError, Timeout) as error:
            reason = "its ledger of answers cannot be written, so that no answer can be counted"
            raise Refused("state", reason, f"{self._path}: {error}") from error

    def _key(self, node: int, message_type: str) -> str:
        return message_type if self._policy.per == "site" else f"{node} {message_type}"

    def _count(self, answers: dict[str, Any], run: str, key: str, label: str, message_type: str) -> None:
        limits = self._policy.messages[message_type]
        if run not in answers and self._policy.runs is not None and len(answers) >= self._policy.runs:
            raise Refused(
                "runs", f"it has answered in {len(answers)} runs, and in no more than {self._policy.runs} it may"
            )
        rounds: Rounds = answers.setdefault(run, {}).setdefault(key, {})
        label = label or f"{UNNAMED}{len(rounds) + 1}"
        if rounds.get(label, 0) >= limits.per_round:
            rule = f"messages.{message_type}.per_round"
            raise Refused(rule, f"this round has had {rounds[label]} of {limits.per_round} answers")
        if label not in rounds and len(rounds) >= limits.rounds:
            rule = f"messages.{message_type}.rounds"
            raise Refused(rule, f"this run has had answers in {len(rounds)} of {limits.rounds} rounds")
        rounds[label] = rounds.get(label, 0) + 1

    def _read(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        try:
            answers = json.loads(self._path.read_text())["answers"]
            if not all(type(n) is int for run in answers.values() for rounds in run.values() for n in rounds.values()):
                raise TypeError("counts that are no whole numbers")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = "its ledger of answers is damaged, so that no answer can be counted"
            raise Refused("state", reason, f"{self._path}: {error}; move it away to begin anew") from error
        return dict(answers)

    def _write(self, answers: dict[str, Any]) -> None:
        beside = self._path.with_name(f".{self._path.name}.part")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps({"answers": answers}))  # at once: `dump` asks for each piece in Python
        beside.replace(self._path)
