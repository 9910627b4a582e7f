"""Alarms in the vault: what clients' checks saw in the models that they were sent; no server learns of it here."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fedleak.errors import RecordingError
from fedleak.io.atomic import write_atomically

ALARMS = "alarms"


@dataclass(frozen=True, kw_only=True)
class RaisedAlarm:
    """What one check of one client saw in a round."""

    client: int
    round: int
    defense: str
    """The check."""
    sentence: str
    """What it saw, with its figures."""
    refused: bool
    """Whether the client left the round for it."""


def deposit_alarms(vault: Path, alarms: Sequence[RaisedAlarm]) -> None:
    """Stores what one client saw in one round, if anything."""
    if alarms:
        path = vault / f"round-{alarms[0].round:04d}" / f"{ALARMS}-{alarms[0].client:04d}.json"
        content = json.dumps([asdict(alarm) for alarm in alarms], indent=1) + "\n"
        write_atomically(path, content.encode(), private=vault)


def raised_alarms(vault: Path) -> list[RaisedAlarm]:
    """All alarms of a federation by round, then client; raises `RecordingError` where a file is damaged."""
    found: list[RaisedAlarm] = []
    for path in sorted(vault.glob(f"round-*/{ALARMS}-*.json")):
        try:
            found += [RaisedAlarm(**facts) for facts in json.loads(path.read_bytes())]
        except (OSError, ValueError, TypeError) as error:
            raise RecordingError(f"{path} holds no alarms of a client ({error}); run the experiment again") from error
    return found
