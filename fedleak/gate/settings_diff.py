"""Settings diff: what sets a baseline apart, but for its name, its seeds and its defenses, which are under test."""

from collections.abc import Iterator
from typing import Any

from fedleak.gate.rule import number_text
from fedleak.settings import Table

FREE = ("name", "seed", "defenses")
"""What may differ between a run and its baseline."""
ABSENT = "nothing"


def differences(new: Table, old: Table) -> list[str]:
    """A clause for each setting that differs: `attacks.0.steps: 60 in the baseline, 1 here`."""
    here, there = dict(_leaves(_compared(new))), dict(_leaves(_compared(old)))
    return [
        f"{key}: {there.get(key, ABSENT)} in the baseline, {here.get(key, ABSENT)} here"
        for key in dict.fromkeys((*there, *here))
        if here.get(key, ABSENT) != there.get(key, ABSENT)
    ]


def _compared(tree: Table) -> Table:
    """The tree without what may differ, there and among what `[[vary]]` changes; combinations by name, not by place."""
    plain = {key: value for key, value in tree.items() if key not in (*FREE, "vary")}
    for entry in tree.get("vary", ()):
        plain[f"vary.{entry['name']}"] = {key: value for key, value in entry.items() if key not in FREE}
    return plain


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The values of a tree by dotted key; a list of plain values is one value."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list | tuple) and any(isinstance(item, dict) for item in node):
        for place, item in enumerate(node):
            yield from _leaves(item, f"{path}.{place}")
    else:
        yield path, _text(node)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return number_text(float(value)) if isinstance(value, int | float) else str(value) or "''"
