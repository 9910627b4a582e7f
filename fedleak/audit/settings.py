"""Settings of an audit: what the child is told, as JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fedleak.audit.app import RunConfig
from fedleak.federation.engine import Engine
from fedleak.settings.base import Table

PATHS = ("folder", "out", "private")
"""Settings that are paths."""
REPLIED = 3
"""Exit status of a child that has said what was wrong."""


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """The app, its run config, and how it is audited."""

    folder: Path
    name: str
    server: str
    client: str
    config: RunConfig
    node_config: RunConfig
    engine: Engine = "loopback"
    clients: int = 2
    rounds: int = 1
    """Rounds of training that are recorded; then the app is stopped."""
    attacked: int = 1
    """Clients whose update of the first round is attacked."""
    attacks: tuple[str, ...] = ()
    """By name; empty: all that fit."""
    quick: bool = False
    """Whether, of all that fit, one of each family is tried."""
    minutes: float = 15.0
    """After which no attack goes on."""
    facts: Table = field(default_factory=dict)
    """Answers to what was asked; see `fedleak.audit.answers`."""
    seed: int = 0
    idle: float = 60.0
    """Seconds in which nobody is asked anything before a server that looks who is there is taken to wait for more."""
    out: Path
    private: Path = Path()
    """A folder for this user alone, which is gone when the audit is over; an absolute path while there is one."""


def written(settings: AuditSettings, path: Path) -> Path:
    """Writes what `spoken` reads."""
    facts = asdict(settings)
    path.write_text(json.dumps({**facts, **{name: str(facts[name]) for name in PATHS}}))
    return path


def spoken(path: Path) -> AuditSettings:
    """What `written` wrote."""
    facts = json.loads(path.read_text())
    places = {name: Path(facts[name]) for name in PATHS}
    return AuditSettings(**{**facts, **places, "attacks": tuple(facts["attacks"])})
