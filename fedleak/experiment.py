"""The frozen description of one run, parsed once from TOML; past this file no dict and no string dispatch."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fedleak.attack import Attack, attacks
from fedleak.defense import Defense, build_chain
from fedleak.errors import ConfigError, DataError
from fedleak.metric import Metric, metrics
from fedleak.settings import PlanSettings, Settings, Table, parse_settings
from fedleak.tasks import parse_name


class NamedDefense(Settings):
    """A row of the comparison: a name, and the chain of defenses it stands for."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+= -]*$")]
    chain: tuple[Table, ...] = ()


class Experiment(PlanSettings):
    """One run: a federation for each defense, each recording attacked by each attack, scored by each metric."""

    name: str
    metrics: tuple[str, ...] = ("mse", "psnr", "ssim", "label-recall")
    attacks: tuple[Table, ...] = ()
    """`{use = NAME, ...}` with the attack's options, and optionally the `label` that its rows have."""
    defenses: tuple[NamedDefense, ...] = (NamedDefense(name="none"),)

    def build_attacks(self) -> tuple[Attack, ...]:
        """The attacks with their hyper-parameters."""
        return tuple(attacks.from_table(unlabelled(table), f"attacks.{i}") for i, table in enumerate(self.attacks))

    def build_chains(self) -> dict[str, tuple[Defense, ...]]:
        """The chain of each named defense."""
        return {row.name: build_chain(row.chain, f"defenses.{i}.chain") for i, row in enumerate(self.defenses)}

    def build_metrics(self) -> tuple[Metric, ...]:
        """The metrics."""
        return tuple(metrics.build(name, {}, f"metrics.{i}") for i, name in enumerate(self.metrics))


def unlabelled(table: Table) -> Table:
    """A table of an attack without its label: what the attack is built from."""
    return {key: value for key, value in table.items() if key != "label"}


def load_experiment(path: Path, overrides: tuple[str, ...] = ()) -> Experiment:
    """Reads a file with one experiment; for a grid see `campaign.grid.load_campaign`."""
    return parse_experiment(read_tree(path, overrides))


def read_tree(path: Path, overrides: tuple[str, ...] = ()) -> Table:
    """A parsed experiment file; `overrides` are `key=value` with dotted keys and values as TOML has them."""
    try:
        tree = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the experiment {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for override in overrides:
        _override(tree, override)
    return tree


def parse_experiment(tree: Table) -> Experiment:
    """An experiment from parsed TOML; every name and option in it is checked here, before anything runs."""
    experiment = parse_settings(Experiment, tree)
    names = [row.name for row in experiment.defenses]
    if len(set(names)) < len(names):
        raise ConfigError(f"defenses: each needs a name of its own, got {', '.join(names)}")
    parse_name(experiment.task)
    for i, table in enumerate(experiment.attacks):
        if not isinstance(table.get("label", ""), str):
            raise ConfigError(f"attacks.{i}.label: expected a name for the attack's rows, got {table['label']!r}")
    experiment.build_attacks()
    experiment.build_chains()
    experiment.build_metrics()
    return experiment


def _override(tree: Table, override: str) -> None:
    """Sets `a.b.0.c=value` in the parsed file; a value that is not TOML counts as a string."""
    key, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override}: expected key=value, as in --set federation.clients=8")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    node: Any = tree
    for depth, part in enumerate(parents):
        node = _child(node, part, ".".join(parents[: depth + 1]))
    if isinstance(node, list):
        node[_place(node, last, key)] = value
    else:
        node[last] = value


def _child(node: Any, part: str, place: str) -> Any:
    if isinstance(node, list):
        return node[_place(node, part, place)]
    child = node.setdefault(part, {})
    if not isinstance(child, dict | list):
        raise ConfigError(f"--set {place}: expected a table or a list there, got {child!r}")
    return child


def _place(node: list[Any], part: str, place: str) -> int:
    if not part.isdigit() or int(part) >= len(node):
        raise ConfigError(f"--set {place}: expected a place from 0 to {len(node) - 1} in the list, got '{part}'")
    return int(part)
