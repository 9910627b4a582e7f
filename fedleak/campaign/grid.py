"""Expands an experiment file: lists become axes, `[[vary]]` names combinations, `[tuning]` adds seeds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedleak.campaign import axes
from fedleak.campaign.axes import Axis
from fedleak.campaign.campaign import Campaign, Point
from fedleak.campaign.combinations import combinations_of, merged
from fedleak.campaign.facts import experiment_facts
from fedleak.campaign.naming import Draft, named
from fedleak.campaign.variants import with_variants
from fedleak.errors import ConfigError
from fedleak.experiment import Experiment, parse_experiment, read_tree
from fedleak.settings import PlanSettings, Settings, Table, parse_settings
from fedleak.tasks import parse_name

MOST_POINTS = 100_000
"""A grid beyond this is a mistake, and would fill the memory before it fills the disk."""
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
    combinations = combinations_of(tree.get("vary"))
    tuning = parse_settings(Tuning, tree["tuning"], "tuning") if "tuning" in tree else None
    drafts = [draft for name, changes in combinations.items() for draft in _drafts(name, merged(base, changes), tuning)]
    return Campaign(points=tuple(named(drafts)), tree=_spelled_out(tree, base, next(iter(combinations.values()))))


def campaign_of(experiment: Experiment) -> Campaign:
    """The campaign of one point that an experiment is."""
    return Campaign(points=(Point(experiment=experiment),), tree=experiment_facts(experiment))


def _drafts(vary: str, tree: Table, tuning: Tuning | None) -> Iterator[Draft]:
    """The points of one combination: the product of its axes, the first one slowest; then the tuning seeds."""
    found = axes.axes_of(tree)
    settings = [axis for axis in found if axis.path[0] in PLAN_FIELDS]
    at_first = axes.placed(tree, {axis.path: axis.values[0] for axis in settings})
    first = parse_experiment(with_variants(at_first, found))
    _require_fewer(settings, tuning)
    for values in axes.product(settings):
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
    for values in axes.product([*others, Axis(("seed",), tuning.seeds)]):
        yield vary, _at(first, values), "tuning"


def _at(first: Experiment, values: dict[axes.Path, Any]) -> Experiment:
    """The experiment with other settings; only those are parsed anew."""
    if not values:
        return first
    tree = first.model_dump(include=set(PLAN_FIELDS), exclude_none=True)
    plan = parse_settings(PlanSettings, axes.placed(tree, values))
    parse_name(plan.task)
    return first.model_copy(update={name: getattr(plan, name) for name in PLAN_FIELDS})


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
