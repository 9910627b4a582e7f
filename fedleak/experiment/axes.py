"""Axes of a grid: every place where a list stands for one value, and the variants of plug-ins that this makes."""

import copy
import itertools
import json
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.plugin import Plugin, Registry
from fedleak.contracts.tampering import tamperings
from fedleak.errors import ConfigError, echo
from fedleak.experiment.experiment import unlabeled
from fedleak.settings.base import Table, dotted
from fedleak.settings.federation import PlanSettings
from fedleak.settings.server import ServerSettings
from fedleak.settings.task import TaskSettings

Path = tuple[str | int, ...]
"""Where a value lies in the file: `("attacks", 0, "steps")`."""
Check = Callable[[Any, str], None]


@dataclass(frozen=True)
class Axis:
    """The values that one place takes in turn."""

    path: Path
    values: tuple[Any, ...]


def axes_of(tree: Table) -> list[Axis]:
    """The axes of a file, in the order of the fields and not of the lines, so that every spelling gives one order.

    Settings first, the seed last among them, then those of each attack, then those of each defense.
    """
    settings = [*_in_settings(PlanSettings, tree, ()), *_in_tamperings(tree.get("adversary"))]
    axes = sorted(settings, key=lambda axis: axis.path == ("seed",))
    for i, table in enumerate(tables_in(tree.get("attacks"))):
        axes += in_plugin(attacks, table, ("attacks", i))
    for i, row in enumerate(tables_in(tree.get("defenses"))):
        for j, table in enumerate(tables_in(row.get("chain"))):
            axes += in_plugin(defenses, table, ("defenses", i, "chain", j))
    for axis in axes:
        check(axis)
    return axes


def below(axes: list[Axis], *prefix: str | int) -> list[Axis]:
    """The axes under a place."""
    return [axis for axis in axes if axis.path[: len(prefix)] == prefix]


def short_names(axes: list[Axis]) -> list[str]:
    """The last part of each path, or all of it where two would be called the same."""
    last = [str(axis.path[-1]) for axis in axes]
    dotted = [".".join(str(part) for part in axis.path) for axis in axes]
    return [one if last.count(one) == 1 else full for one, full in zip(last, dotted, strict=True)]


def product(axes: list[Axis]) -> Iterator[dict[Path, Any]]:
    """Each combination of values, by place; one that places nothing where there is no axis."""
    for values in itertools.product(*(axis.values for axis in axes)):
        yield dict(zip((axis.path for axis in axes), values, strict=True))


def placed(tree: Table, values: dict[Path, Any]) -> Table:
    """A copy of the file with other values at some places."""
    result = copy.deepcopy(tree)
    for path, value in values.items():
        node: Any = result
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value
    return result


def canonical(value: Any) -> Hashable:
    """The same for values that mean the same, such as 1 and 1.0, or 0.0 and -0.0; true is not 1."""
    if isinstance(value, dict):
        return ("table", frozenset((key, canonical(inner)) for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return ("list", tuple(canonical(inner) for inner in value))
    return (type(value) is bool, value)


def with_variants(tree: Table, axes: list[Axis]) -> Table:
    """The file with an attack or defense of its own for each variant."""
    kinds: dict[str, tuple[str, Check]] = {"attacks": ("label", _check_attack), "defenses": ("name", _check_chain)}
    varying = {kind: how for kind, how in kinds.items() if below(axes, kind)}
    return {**tree, **{kind: list(expanded(tree[kind], kind, *how, axes)) for kind, how in varying.items()}}


def _in_settings(model: type[BaseModel], tree: Any, path: Path) -> Iterator[Axis]:
    if not isinstance(tree, dict):
        return  # the parser says what is wrong with it
    for key, field in model.model_fields.items():
        value = tree.get(key)
        if field.annotation in (TaskSettings, ServerSettings) and isinstance(value, list):
            yield Axis((*path, key), tuple(value))  # a task may be a name, so a list of them is one of values
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _in_settings(field.annotation, value, (*path, key))
        else:
            yield from _axis_at((*path, key), value, field.annotation)


def _in_tamperings(adversary: Any) -> Iterator[Axis]:
    does = adversary.get("does") if isinstance(adversary, dict) else None
    for i, table in enumerate(tables_in(does)):
        yield from in_plugin(tamperings, table, ("adversary", "does", i))


def _axis_at(path: Path, value: Any, annotation: Any) -> Iterator[Axis]:
    """The axis of a place where a list stands and the type wants one value; or a list of lists, and it wants a list.

    So too one level deeper. Where it wants a number or a list of tables, any list but one of tables.
    """
    if isinstance(value, list):
        several = _takes_number(annotation) and any(not isinstance(item, dict) for item in value)
        if several or _depth(value) > _depth_taken(annotation):
            yield Axis(path, tuple(value))


def _depth(value: Any) -> int:
    """How many lists are around whatever is in them."""
    return 1 + min(map(_depth, value), default=0) if isinstance(value, list) else 0


def _depth_taken(annotation: Any) -> int:
    """How many lists there may be around one value at most."""
    kinds = [(get_origin(kind) or kind, get_args(kind)) for kind in _kinds(annotation)]
    return max(
        (1 + max(map(_depth_taken, within), default=0) for kind, within in kinds if kind in (list, tuple)), default=0
    )


def _takes_number(annotation: Any) -> bool:
    return float in _kinds(annotation)


def _kinds(annotation: Any) -> list[Any]:
    """The kinds of value that a place takes: the members of a union, without what they are annotated with."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin is Union or type(annotation).__name__ == "UnionType":
        return [kind for one in get_args(annotation) for kind in _kinds(one)]
    return [annotation]


def tables_in(value: Any) -> list[Table]:
    """The tables of a list, where it is one; the parser complains about anything else."""
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


def in_plugin(registry: Registry[Any], table: Table, path: Path) -> Iterator[Axis]:
    use = table.get("use")
    where = dotted(*path, "use")
    classes = [registry.get(name, where) for name in use if isinstance(name, str)] if isinstance(use, list) else []
    if isinstance(use, list):
        yield Axis((*path, "use"), tuple(use))
    elif isinstance(use, str) and use in {cls.name for cls in registry}:
        classes = [registry.get(use)]
    hints = {key: hint for cls in reversed(classes) for key, hint in _options(cls).items()}
    for key, hint in hints.items():
        value = table.get(key)
        if isinstance(value, dict) and "use" in value:
            yield from in_plugin(registry, value, (*path, key))
        else:
            yield from _axis_at((*path, key), value, hint)


@lru_cache(maxsize=256)
def _options(cls: type[Plugin]) -> dict[str, Any]:
    """The type of each option, in their order."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in fields(cls)}  # type: ignore[arg-type]


def check(axis: Axis) -> None:
    where = dotted(*axis.path)
    if not axis.values:
        raise ConfigError(f"{where}: expected a value, or a list of values to try in turn, got an empty list")
    alike: dict[Hashable, list[Any]] = {}
    for value in axis.values:
        alike.setdefault(canonical(value), []).append(value)
    same = max(alike.values(), key=len)
    if len(same) > 1:
        raise ConfigError(f"{where}: {echo(same[0])} comes {len(same)} times in the list; name each value once")


def _check_attack(table: Any, where: str) -> None:
    """Refuses a bad option by its place in the file, which is no longer known once the variants are apart."""
    if isinstance(table, dict):
        attacks.from_table(unlabeled(table), where)


def _check_chain(row: Any, where: str) -> None:
    if isinstance(row, dict) and isinstance(row.get("chain", []), list):
        Chain.build(tuple(row.get("chain", [])), f"{where}.chain")


def expanded(tables: list[Any], kind: str, key: str, check: Check, axes: list[Axis]) -> Iterator[Any]:
    for i, table in enumerate(tables):
        for suffix, variant in _variants(table, below(axes, kind, i)):
            if suffix:
                variant[key] = f"{variant.get(key, variant.get('use'))} {suffix}"
            check(variant, f"{kind}.{i}")
            yield variant


def _variants(table: Any, axes: list[Axis]) -> Iterator[tuple[str, Table]]:
    """Each variant of an attack or defense, and what tells it apart in words."""
    shown = [axis for axis in axes if axis.path[2:] != ("use",)]  # a label begins with the attack's name anyway
    names = dict(zip((axis.path for axis in shown), short_names(shown), strict=True))
    for values in product(axes):
        suffix = " ".join(f"{names[path]}={_text(value)}" for path, value in values.items() if path in names)
        yield suffix, placed(table, {path[2:]: value for path, value in values.items()})


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join([str(value.get("use", "")), *(f"{k}={_text(v)}" for k, v in value.items() if k != "use")])
    return json.dumps(value) if isinstance(value, list) else str(value)
