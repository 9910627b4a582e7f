"""Secrets: refuses a canary that does not fit its text, and attacks that ask for a secret which nobody typed."""

import json
from collections.abc import Iterable

from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError
from fedleak.experiment.access import targets_of
from fedleak.formatting import listed
from fedleak.learning.secret_format import SecretFormat
from fedleak.learning.source import Source
from fedleak.learning.space import require_text, space_of_source
from fedleak.learning.text import Text, require_alphabet
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import Table
from fedleak.settings.canary import Canary
from fedleak.settings.federation import PlanSettings

CANARY, MASKED = "federation.canary", "adversary.masked"


def require_secret(settings: PlanSettings, tables: Iterable[Table], source: Source) -> None:
    """Raises `ConfigError` where a canary cannot be typed into a text, or is asked about and nobody types it.

    `tables` are the attacks without their labels.
    """
    canary, adversary = settings.federation.canary, settings.adversary
    asked = [(str(table["use"]), targets_of(table)) for table in tables]
    if canary.format:
        _require_typed(canary, require_text(space_of_source(source), CANARY, ConfigError))
    for i, (name, targets) in enumerate(asked):
        if not canary.format and targets == {"secrets"}:
            raise ConfigError(
                f"attacks.{i}: {name} asks for a secret, and nobody types one; set {CANARY}, as in canary = "
                '{ format = "my pin is {digits}", times = 16 }'
            )
    if adversary.masked:
        if not canary.format:
            raise ConfigError(
                f"{MASKED}: {list(adversary.masked)}, and nobody types a secret; set {CANARY}, or leave masked out"
            )
        require_masked(adversary, canary.digits)
        if asked and not any("secrets" in targets for _, targets in asked):
            fitting = [cls.name for cls in attacks if cls.__module__.startswith("fedleak.attacks.secrets.")]
            raise ConfigError(
                f"{MASKED}: {list(adversary.masked)}, and no attack here asks for a secret; add one such as "
                f"{listed(fitting, 'or')}, or leave masked out"
            )


def _require_typed(canary: Canary, space: Text) -> None:
    format = SecretFormat.of(canary.format, canary.digits)
    require_alphabet(space, format.before + format.after, f"{CANARY}.format")
    if canary.digits >= space.length:
        raise ConfigError(
            f"{CANARY}.digits: a secret of {canary.digits} digits is longer than what a window of {space.length} "
            "characters has before its last; take fewer digits or a longer data_options.length"
        )


def require_masked(adversary: AdversarySettings, digits: int, where: str = MASKED) -> None:
    """Raises `ConfigError` for masked places that a secret of so many digits has not, or twice."""
    masked = adversary.masked
    beyond = [place for place in masked if place >= digits]
    if beyond:
        raise ConfigError(f"{where}: no digit {beyond[0]} in a secret of {digits}; expected some of 0 to {digits - 1}")
    if len(set(masked)) < len(masked):
        raise ConfigError(f"{where}: expected each place once, got {json.dumps(masked)}")
