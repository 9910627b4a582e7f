"""Overrides from the command line: `key=value` with dotted keys and values as TOML has them."""

import re
import tomllib
from typing import Any

from fedleak.errors import ConfigError, echo
from fedleak.settings.base import Table, dotted


def override(tree: Table, setting: str) -> None:
    """Sets `a.b.0.c=value` in a parsed file."""
    key, value = key_and_value(setting, "key=value, as in --set federation.clients=8")
    *parents, last = key.split(".")
    node: Any = tree
    for depth, part in enumerate(parents):
        node = _child(node, part, parents[: depth + 1])
    if isinstance(node, list):
        node[_place(node, last, [*parents, last])] = value
    else:
        node[last] = value


def key_and_value(setting: str, expected: str) -> tuple[str, Any]:
    """The parts of `key=value`; a value that is not TOML counts as a string."""
    key, equals, text = setting.partition("=")
    key = key.strip()
    if not equals:
        raise ConfigError(f"--set {setting if setting.isprintable() else echo(setting)}: expected {expected}")
    place = dotted(*key.split("."))
    try:
        parsed = tomllib.loads(f"value = {text}")
    except RecursionError as error:
        raise ConfigError(
            f"--set {key}: expected a value of a few levels, got one that is nested too deeply"
        ) from error
    except ValueError:  # not TOML, or a number of thousands of digits
        return key, text
    if set(parsed) != {"value"}:
        raise ConfigError(f"--set {place}: expected one value, got {echo(text)}; give each setting a --set of its own")
    return key, parsed["value"]


def _child(node: Any, part: str, place: list[str]) -> Any:
    if isinstance(node, list):
        return node[_place(node, part, place)]
    child = node.setdefault(part, {})
    if not isinstance(child, dict | list):
        raise ConfigError(f"--set {dotted(*place)}: expected a table or a list there, got {echo(child)}")
    return child


def _place(node: list[Any], part: str, place: list[str]) -> int:
    if not node:
        raise ConfigError(f"--set {dotted(*place)}: the list there is empty; set the whole list")
    if not re.fullmatch("[0-9]{1,9}", part) or int(part) >= len(node):
        raise ConfigError(
            f"--set {dotted(*place)}: expected a place from 0 to {len(node) - 1} in the list, got {echo(part)}"
        )
    return int(part)
