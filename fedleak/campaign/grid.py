"""Expands an experiment file: lists become axes, `[[vary]]` names combinations, `[tuning]` adds seeds."""

import copy
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedleak.attack import attacks
from fedleak.campaign import axes
from fedleak.campaign.axes import Axis
from fedleak.campaign.campaign import Campaign, Point
from fedleak.campaign.facts import experiment_facts
from fedleak.campaign.folder import ATTACKERS_SETTINGS, file_name
from fedleak.defense import build_chain
from fedleak.errors import ConfigError, did_you_mean
from fedleak.experiment import Experiment, parse_experiment, read_tree, unlabelled
from fedleak.results import Scalar, Split
from fedleak.settings import PlanSettings, Settings, Table, parse_settings
from fedleak.tasks import parse_name

MOST_POINTS = 100_000
"""A grid beyond this is a mistake, and would fill the memory before it fills the disk."""
OWN_COLUMNS = ("seed", "task")
"""What varies but has a place of its own in a row."""
PLAN_FIELDS = tuple(PlanSettings.model_fields)


class Tuning(Settings):
    """Seeds on which the variants of an attack are chosen among; they never count in a result."""

    seeds: tuple[int, ...]


def load_campaign(path: Path, overrides: tuple[str, ...] = ()) -> Campaign:
    """Reads an experiment file; `overrides` are `key=value` with dotted keys and values as TOML has them."""
    return parse_campaign(read_tree(path, overrides))


def parse_campaign(tree: Table) -> Campaign:
    """A campaign from parsed TOML; every name and option in it is checked here, before anything runs."""
    base = {key: value for key, value in tree.items() if key not in ("vary", "tuning")}
    combinations = _combinations(tree.get("vary"))
    tuning = parse_settings(Tuning, tree["tuning"], "tuning") if "tuning" in tree else None
    drafts = [
        draft for name, changes in combinations.items() for draft in _drafts(name, _merged(base, changes), tuning)
    ]
    return Campaign(points=tuple(_named(drafts)), tree=_spelled_out(tree, base, next(iter(combinations.values()))))


def campaign_of(experiment: Experiment) -> Campaign:
    """The campaign of one point that an experiment is."""
    return Campaign(points=(Point(experiment=experiment),), tree=experiment_facts(experiment))


Draft = tuple[str, Experiment, Split]
"""Name of the combination, experiment, split: a point before it is known what varies."""


def _drafts(vary: str, tree: Table, tuning: Tuning | None) -> Iterator[Draft]:
    """The points of one combination: the product of its axes, the first one slowest; then the tuning seeds."""
    found = axes.axes_of(tree)
    settings = [axis for axis in found if axis.path[0] in PLAN_FIELDS]
    first = parse_experiment(_expanded(tree, found))
    _require_fewer(settings, tuning)
    for values in _product(settings):
        yield vary, _at(first, values), "test"
    if tuning is not None:
        yield from _tuning_drafts(vary, first, settings, tuning)


def _tuning_drafts(vary: str, first: Experiment, settings: list[Axis], tuning: Tuning) -> Iterator[Draft]:
    reported = next((axis.values for axis in settings if axis.path == ("seed",)), (first.seed,))
    both = sorted(set(reported) & set(tuning.seeds))
    if both:
        raise ConfigError(f"tuning.seeds: {both[0]} is a seed of the results too; tune on seeds that are not reported")
    if not tuning.seeds:
        raise ConfigError("tuning.seeds: expected at least one seed, got none; leave [tuning] out or name some")
    if all("label" not in table for table in first.attacks):
        raise ConfigError("tuning: no attack has variants to choose among; give an option a list, as in steps = [1, 2]")
    others = [axis for axis in settings if axis.path != ("seed",)]
    for values in _product([*others, Axis(("seed",), tuning.seeds)]):
        yield vary, _at(first, values), "tuning"


def _at(first: Experiment, values: dict[axes.Path, Any]) -> Experiment:
    """The experiment with other settings; only those are parsed anew."""
    if not values:
        return first
    tree = first.model_dump(include=set(PLAN_FIELDS), exclude_none=True)
    plan = parse_settings(PlanSettings, axes.placed(tree, values))
    parse_name(plan.task)
    return first.model_copy(update={name: getattr(plan, name) for name in PLAN_FIELDS})


def _expanded(tree: Table, found: list[Axis]) -> Table:
    """The file at the first value of each setting, with an attack or defense of its own for each variant."""
    result = axes.placed(tree, {axis.path: axis.values[0] for axis in found if axis.path[0] in PLAN_FIELDS})
    for kind, key, check in (("attacks", "label", _check_attack), ("defenses", "name", _check_chain)):
        tables, result[kind] = result.get(kind), []
        if not isinstance(tables, list) or not any(axis.path[0] == kind for axis in found):
            result[kind] = tables
            continue
        for i, table in enumerate(tables):
            for suffix, variant in _variants(table, axes.below(found, kind, i)):
                if suffix:
                    variant[key] = f"{variant.get(key, variant.get('use'))} {suffix}"
                check(variant, f"{kind}.{i}")
                result[kind].append(variant)
    return {key: value for key, value in result.items() if value is not None}


def _check_attack(table: Any, where: str) -> None:
    """Refuses a bad option by its place in the file, which is no longer known once the variants are apart."""
    if isinstance(table, dict):
        attacks.from_table(unlabelled(table), where)


def _check_chain(row: Any, where: str) -> None:
    if isinstance(row, dict) and isinstance(row.get("chain", []), list):
        build_chain(tuple(row.get("chain", [])), f"{where}.chain")


def _variants(table: Any, own: list[Axis]) -> Iterator[tuple[str, Table]]:
    """Each variant of an attack or defense, and what tells it apart in words."""
    shown = [axis for axis in own if axis.path[2:] != ("use",)]  # a label begins with the attack's name anyway
    names = dict(zip((axis.path for axis in shown), axes.short_names(shown), strict=True))
    for values in _product(own):
        suffix = " ".join(f"{names[path]}={_text(value)}" for path, value in values.items() if path in names)
        yield suffix, axes.placed(table, {path[2:]: value for path, value in values.items()})


def _product(found: list[Axis]) -> Iterator[dict[axes.Path, Any]]:
    for values in itertools.product(*(axis.values for axis in found)):
        yield dict(zip((axis.path for axis in found), values, strict=True))


def _named(drafts: list[Draft]) -> Iterator[Point]:
    """The points, each with what tells it from the others."""
    flat = [{**_flat(experiment), **({"vary": vary} if vary else {})} for vary, experiment, _ in drafts]
    varying = [
        key for key in {key: None for one in flat for key in one} if len({str(one.get(key)) for one in flat}) > 1
    ]
    own = [key for key in varying if key not in ATTACKERS_SETTINGS]
    last = [key.rpartition(".")[2] for key in own]
    short = {key: name if last.count(name) == 1 else key for key, name in zip(own, last, strict=True)}
    for (_, experiment, split), facts in zip(drafts, flat, strict=True):
        yield Point(
            experiment=experiment,
            setting={key: facts.get(key, "") for key in varying if key not in OWN_COLUMNS},
            federation=file_name(" ".join(f"{short[key]}={facts.get(key, '')}" for key in own)) if own else "",
            split=split,
        )


def _flat(settings: Settings, prefix: str = "", names: tuple[str, ...] = PLAN_FIELDS) -> dict[str, Scalar]:
    """Dotted keys with scalar values; lists and tables as JSON."""
    flat: dict[str, Scalar] = {}
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, Settings):
            flat |= _flat(value, f"{prefix}{name}.", tuple(type(value).model_fields))
        else:
            flat[prefix + name] = _scalar(value)
    return flat


def _scalar(value: Any) -> Scalar:
    if value is None:
        return ""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join([str(value.get("use", "")), *(f"{k}={_text(v)}" for k, v in value.items() if k != "use")])
    return json.dumps(value) if isinstance(value, list) else str(value)


def _combinations(entries: Any) -> dict[str, Table]:
    """Name and changes of each `[[vary]]`; one that changes nothing where there is none."""
    if entries is None:
        return {"": {}}
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError('vary: expected tables such as [[vary]] with a name, as in name = "small batches"')
    named: dict[str, Table] = {}
    for i, entry in enumerate(entries):
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise ConfigError(f"vary.{i}.name: expected a name for the combination, got {name!r}")
        if name in named:
            raise ConfigError(f"vary.{i}.name: '{name}' comes twice; each combination needs a name of its own")
        changes = {key: value for key, value in entry.items() if key != "name"}
        unknown = [key for key in changes if key not in Experiment.model_fields]
        if unknown:
            raise ConfigError(
                f"vary.{i}.{unknown[0]}: unknown field{did_you_mean(unknown[0], Experiment.model_fields)}"
            )
        named[name] = changes
    return named


def _merged(base: Table, changes: Table) -> Table:
    """The file with a combination's changes: tables are merged, everything else is replaced."""
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else copy.deepcopy(value)
    return merged


def _require_fewer(settings: list[Axis], tuning: Tuning | None) -> None:
    points = 1
    for axis in settings:
        points *= len(axis.values) + (len(tuning.seeds) if tuning and axis.path == ("seed",) else 0)
    if points > MOST_POINTS:
        what = " x ".join(f"{len(axis.values)} {'.'.join(map(str, axis.path))}" for axis in settings)
        raise ConfigError(f"the grid has {points} settings ({what}); expected at most {MOST_POINTS}, split it")


def _spelled_out(tree: Table, base: Table, first_changes: Table) -> Table:
    """The file with every default written out; parsed again it gives the same campaign."""
    base = base if "task" in base else {**base, "task": first_changes.get("task")}
    found = axes.axes_of(base)
    first = axes.placed(base, {axis.path: axis.values[0] for axis in found})
    facts = experiment_facts(parse_experiment(first))
    for kind, number in (axis.path[:2] for axis in found if axis.path[-1] == "use"):
        facts[str(kind)][number] = base[str(kind)][number]  # each has options of its own: it stays as it was written
    facts = axes.placed(facts, {axis.path: list(axis.values) for axis in found})
    return {**facts, **{key: tree[key] for key in ("vary", "tuning") if key in tree}}
