"""Floor of a node: what it demands of any run, in its own node config, which no server can change.

The run config is the word of whoever starts the run. `required-defenses` names defenses, or holds them as a JSON list
with parameters; `smallest-cohort` is the number of clients below which the node sends nothing into a sum,
`smallest-threshold` how many of its neighbourhood must be needed to open what it shares. `registry` and `identity-key`
are files: with them no server can be the other clients.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedleak.contracts.defense import defenses
from fedleak.defenses.model_consistency import compares
from fedleak.defenses.secure_aggregation import SecureAggregation, masking_of
from fedleak.errors import ConfigError, FederationError, echo
from fedleak.federation.plan import FederationPlan
from fedleak.settings.base import Table

from .identity import read_identity, read_registry

REQUIRED = "required-defenses"
SMALLEST = "smallest-cohort"
THRESHOLD = "smallest-threshold"
REGISTRY, IDENTITY = "registry", "identity-key"


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What a run must have for this node to take part in it."""

    required: tuple[Table, ...] = ()
    """Defenses by `use`, each with the parameters that it must have."""
    smallest_cohort: int = 0
    """Clients that a sum must be of; 0: this node takes part without one too."""
    smallest_threshold: int = 0
    """How many of a neighbourhood must be needed to open what it shares; 0: any number above half."""
    registry: Mapping[int, bytes] | None = None
    """Every client's public identity key; None: whoever signs is believed."""
    identity: bytes | None = field(default=None, repr=False)
    """This node's private identity key; None: it makes one up for each round."""

    @classmethod
    def of(cls, node_config: Mapping[str, Any]) -> "Floor":
        """The node's own word; raises `ConfigError` where it names no defense, no number, or no file of keys."""
        registry, identity = str(node_config.get(REGISTRY, "")), str(node_config.get(IDENTITY, ""))
        if registry and not identity:
            raise ConfigError(f"node config, {REGISTRY}: expected an {IDENTITY} beside it, got none; give this node's")
        return cls(
            required=_tables(node_config.get(REQUIRED, "")),
            smallest_cohort=_count(node_config.get(SMALLEST, 0), SMALLEST, "clients"),
            smallest_threshold=_count(node_config.get(THRESHOLD, 0), THRESHOLD, "neighbours"),
            registry=read_registry(Path(registry), f"node config, {REGISTRY}") if registry else None,
            identity=read_identity(Path(identity), f"node config, {IDENTITY}") if identity else None,
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
        self._require_sum(masking_of(chain), compared=compares(chain))
        if pretraining and (self.required or self.smallest_cohort or self.smallest_threshold or self.registry):
            raise FederationError(
                "this node requires defenses, and rounds before the recorded ones have none; it refuses: set "
                "model.trained_rounds to 0"
            )

    def _require_sum(self, masking: SecureAggregation | None, *, compared: bool) -> None:
        """Raises `FederationError` where what leaves this node would be open to fewer than it demands."""
        if masking is None:
            wanted = [
                *([f"a sum over {self.smallest_cohort} clients"] if self.smallest_cohort else []),
                *([f"a threshold of {self.smallest_threshold}"] if self.smallest_threshold else []),
                *(["registered identity keys"] if self.registry and not compared else []),
            ]
            if wanted:
                raise FederationError(
                    f"this node requires {' and '.join(wanted)}, and the run has no '{SecureAggregation.name}'; it "
                    "refuses"
                )
        elif masking.least_survivors < self.smallest_cohort:
            raise FederationError(
                f"this node requires a sum over {self.smallest_cohort} clients, and the run opens one over "
                f"{masking.least_survivors} where others leave; it refuses: set smallest_cohort"
            )
        elif (masking.threshold or 0) < self.smallest_threshold:
            raise FederationError(
                f"this node requires a threshold of {self.smallest_threshold}, and the run has {masking.threshold}; it "
                "refuses"
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


def _count(value: Any, key: str, what: str) -> int:
    if isinstance(value, bool) or not str(value).isdecimal():
        raise ConfigError(f"node config, {key}: expected a number of {what}, got {echo(value)}")
    return int(value)


def _words(options: Table) -> str:
    return ", ".join(f"{key} = {value}" for key, value in options.items()) or "no parameters"
