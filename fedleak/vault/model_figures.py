"""Model figures in the vault: what clients' checks measured of the models that they were sent, alarm or none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fedleak.errors import RecordingError
from fedleak.io.atomic import write_atomically

FIGURES = "figures"


@dataclass(frozen=True, kw_only=True)
class ModelFigures:
    """What one check of one client measured in a round."""

    client: int
    round: int
    defense: str
    """The check."""
    statistics: Mapping[str, float]
    """More is more suspicious."""
    seconds: float
    """What it took the client."""


def deposit_figures(vault: Path, figures: Sequence[ModelFigures]) -> None:
    """Stores what the checks of one client measured in one round, if it has any."""
    if figures:
        path = vault / f"round-{figures[0].round:04d}" / f"{FIGURES}-{figures[0].client:04d}.json"
        content = json.dumps([asdict(one) for one in figures], indent=1) + "\n"
        write_atomically(path, content.encode(), private=vault)


def measured_figures(vault: Path) -> list[ModelFigures]:
    """All figures of a federation by round, then client; raises `RecordingError` where a file is damaged."""
    found: list[ModelFigures] = []
    for path in sorted(vault.glob(f"round-*/{FIGURES}-*.json")):
        try:
            found += [ModelFigures(**facts) for facts in json.loads(path.read_bytes())]
        except (OSError, ValueError, TypeError) as error:
            raise RecordingError(f"{path} holds no figures of a model ({error}); run the experiment again") from error
    return found
