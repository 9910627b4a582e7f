"""Variants of an attack or defense whose options are lists: one for each combination of values, named for it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.experiment import axes
from fedleak.experiment.axes import Axis
from fedleak.experiment.experiment import unlabeled
from fedleak.settings import Table

Check = Callable[[Any, str], None]


def with_variants(tree: Table, found: list[Axis]) -> Table:
    """The file with an attack or defense of its own for each variant."""
    kinds: dict[str, tuple[str, Check]] = {"attacks": ("label", _check_attack), "defenses": ("name", _check_chain)}
    varying = {kind: how for kind, how in kinds.items() if axes.below(found, kind)}
    return {**tree, **{kind: list(_expanded(tree[kind], kind, *how, found)) for kind, how in varying.items()}}


def _expanded(tables: list[Any], kind: str, key: str, check: Check, found: list[Axis]) -> Iterator[Any]:
    for i, table in enumerate(tables):
        for suffix, variant in _variants(table, axes.below(found, kind, i)):
            if suffix:
                variant[key] = f"{variant.get(key, variant.get('use'))} {suffix}"
            check(variant, f"{kind}.{i}")
            yield variant


def _check_attack(table: Any, where: str) -> None:
    """Refuses a bad option by its place in the file, which is no longer known once the variants are apart."""
    if isinstance(table, dict):
        attacks.from_table(unlabeled(table), where)


def _check_chain(row: Any, where: str) -> None:
    if isinstance(row, dict) and isinstance(row.get("chain", []), list):
        Chain.build(tuple(row.get("chain", [])), f"{where}.chain")


def _variants(table: Any, own: list[Axis]) -> Iterator[tuple[str, Table]]:
    """Each variant of an attack or defense, and what tells it apart in words."""
    shown = [axis for axis in own if axis.path[2:] != ("use",)]  # a label begins with the attack's name anyway
    names = dict(zip((axis.path for axis in shown), axes.short_names(shown), strict=True))
    for values in axes.product(own):
        suffix = " ".join(f"{names[path]}={_text(value)}" for path, value in values.items() if path in names)
        yield suffix, axes.placed(table, {path[2:]: value for path, value in values.items()})


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join([str(value.get("use", "")), *(f"{k}={_text(v)}" for k, v in value.items() if k != "use")])
    return json.dumps(value) if isinstance(value, list) else str(value)
