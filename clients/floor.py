"""Floor of a node: what it demands of any run, in its own node config, which no server can change.

The run config is the word of whoever starts the run. `required-defenses` names defenses, or holds them as a JSON list
with parameters; `smallest-cohort` is the number of clients below which the node sends nothing into a sum.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedleak.contracts.defense import defenses
from fedleak.errors import ConfigError, FederationError, echo
from fedleak.federation.plan import FederationPlan
from fedleak.settings.base import Table

REQUIRED = "required-defenses"
SMALLEST = "smallest-cohort"


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What a run must have for this node to take part in it."""

    required: tuple[Table, ...] = ()
    """Defenses by `use`, each with the parameters that it must have."""
    smallest_cohort: int = 0
    """Clients that a sum must be of; 0: this node takes part without one too."""

    @classmethod
    def of(cls, node_config: Mapping[str, Any]) -> "Floor":
        """The node's own word; raises `ConfigError` where it names no defense or no number."""
        return cls(
            required=_tables(node_config.get(REQUIRED, "")), smallest_cohort=_count(node_config.get(SMALLEST, 0))
        )

    def require(self, plan: FederationPlan, *, pretraining: bool = False) -> None:
        """Raises `FederationError` for a run below it."""
        chain = plan.defenses()
        for table in self.required:
            name = table["use"]
            own = [one.options() for one in chain if one.name == name]
            if not own:
                raise FederationError(
                    f"this node requires '{name}', and the run's defenses are "
                    f"{', '.join(one.name for one in chain) or 'none'}; it refuses"
                )
            wanted = {key: value for key, value in table.items() if key != "use"}
            if not any(wanted.items() <= options.items() for options in own):
                raise FederationError(
                    f"this node requires '{name}' with {_words(wanted)}, and the run has {_words(own[0])}; it refuses"
                )
        if self.smallest_cohort and chain.protocol is None:
            raise FederationError(
                f"this node requires a sum over {self.smallest_cohort} clients, and the run has no secure aggregation; "
                "it refuses"
            )
        if pretraining and (self.required or self.smallest_cohort):
            raise FederationError(
                "this node requires defenses, and rounds before the recorded ones have none; it refuses: set "
                "model.trained_rounds to 0"
            )


def _tables(value: Any) -> tuple[Table, ...]:
    text = str(value).strip()
    try:
        found = json.loads(text) if text.startswith("[") else [{"use": name} for name in text.replace(",", " ").split()]
    except ValueError as error:
        raise ConfigError(
            f"node config, {REQUIRED}: expected names or a JSON list of tables, got {echo(value)}"
        ) from error
    tables = tuple({"use": one} if isinstance(one, str) else one for one in found)
    for table in tables:
        if not isinstance(table, dict) or not isinstance(table.get("use"), str):
            raise ConfigError(f"node config, {REQUIRED}: expected tables with a `use`, got {echo(table)}")
        defenses.get(table["use"], f"node config, {REQUIRED}")
    return tables


def _count(value: Any) -> int:
    if isinstance(value, bool) or not str(value).isdigit():
        raise ConfigError(f"node config, {SMALLEST}: expected a number of clients, got {echo(value)}")
    return int(value)


def _words(options: Table) -> str:
    return ", ".join(f"{key} = {value}" for key, value in options.items()) or "no parameters"
