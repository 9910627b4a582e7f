"""The combinations that `[[vary]]` names: changes that go together instead of being multiplied."""

import copy
from typing import Any

from fedleak.errors import ConfigError, did_you_mean, echo
from fedleak.experiment import Experiment
from fedleak.settings import A_NAME, Table, dotted, is_name


def combinations_of(entries: Any) -> dict[str, Table]:
    """Name and changes of each `[[vary]]`; one that changes nothing where there is none."""
    if entries is None:
        return {"": {}}
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError('vary: expected tables such as [[vary]] with a name, as in name = "small batches"')
    named: dict[str, Table] = {}
    for i, entry in enumerate(entries):
        name = entry.get("name")
        if not is_name(name):
            raise ConfigError(f"vary.{i}.name: expected {A_NAME}, got {echo(name)}")
        if name in named:
            raise ConfigError(f"vary.{i}.name: '{name}' comes twice; each combination needs a name of its own")
        changes = {key: value for key, value in entry.items() if key != "name"}
        unknown = [key for key in changes if key not in Experiment.model_fields]
        if unknown:
            raise ConfigError(
                f"{dotted('vary', i, unknown[0])}: unknown field{did_you_mean(unknown[0], Experiment.model_fields)}"
            )
        named[name] = changes
    return named


def merged(base: Table, changes: Table) -> Table:
    """The file with a combination's changes: tables are merged, everything else is replaced."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else copy.deepcopy(value)
    return result
