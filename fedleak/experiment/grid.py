"""Grid expansion: lists become axes, `[[vary]]` names combinations, `[tuning]` and `[calibration]` add seeds."""

import copy
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

from fedleak.errors import ConfigError, did_you_mean, echo
from fedleak.experiment import axes
from fedleak.experiment.axes import Axis, with_variants
from fedleak.experiment.calibration import Calibration, calibrating, calibration_seeds, require_calibrated
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.canonical import experiment_facts
from fedleak.experiment.columns import require_no_strategy
from fedleak.experiment.experiment import (
    Experiment,
    check_labels,
    parse_experiment,
    parse_unjudged,
    read_tree,
    require_fitting,
    unlabeled,
)
from fedleak.experiment.naming import Draft, named, variants_of
from fedleak.experiment.placing import placed, portable
from fedleak.experiment.server_rows import with_rows_of_servers
from fedleak.experiment.servers import require_readers
from fedleak.experiment.size import PLAN_FIELDS, Part, require_fewer
from fedleak.settings.base import A_NAME, Settings, Table, dotted, is_name, parse_settings
from fedleak.settings.columns import without_no_strategy
from fedleak.settings.federation import PlanSettings

OF_THE_GRID = ("vary", "tuning", "calibration")
"""Keys of a file that are no part of any one experiment."""


def load_campaign(path: Path, overrides: tuple[str, ...] = ()) -> Campaign:
    """Reads an experiment file; `overrides` are `key=value` with dotted keys and values as TOML has them."""
    return parse_campaign(placed(read_tree(path, overrides), path.parent.resolve()))


def parse_campaign(tree: Table) -> Campaign:
    """A campaign from parsed TOML; every name and option in it is checked here, before anything runs."""
    require_no_strategy(tree)
    tree = with_rows_of_servers(tree)
    base = {key: value for key, value in tree.items() if key not in OF_THE_GRID}
    combinations = combinations_of(tree.get("vary"))
    tuning = parse_settings(Tuning, tree["tuning"], "tuning") if "tuning" in tree else None
    calibration = parse_settings(Calibration, tree["calibration"], "calibration") if "calibration" in tree else None
    parts = [Part.of(name, merged(base, changes)) for name, changes in combinations.items()]
    require_fewer(parts, tuning.seeds if tuning is not None else (), calibration.seeds if calibration else 0)
    firsts = [_first(part) for part in parts]
    _require_different(parts, firsts)
    if tuning is not None:
        _require_tunable(tuning, firsts)
    drafts = [draft for part, first in zip(parts, firsts, strict=True) for draft in _drafts(part, first, tuning)]
    if calibration is not None:
        require_calibrated(firsts, calibration)
        seeds = calibration_seeds(calibration, (experiment.seed for _, experiment, _ in drafts))
        drafts += [one for part, first in zip(parts, firsts, strict=True) for one in _calibrating(part, first, seeds)]
    points = tuple(calibrating(point, calibration) for point in named(drafts))
    _require_evaluated(points)
    _require_same_models(points)
    attacks_of = {repr(one): one for point in points for one in point.experiment.attacks}
    require_readers([point.experiment.server for point in points], [unlabeled(one) for one in attacks_of.values()])
    spelled = _spelled_out(tree, base, next(iter(combinations.values())))
    only_chosen = tuning is not None and tuning.only_chosen
    return Campaign(points=points, tree=portable({**spelled, **_metrics(points, base)}), only_chosen=only_chosen)


def campaign_of(experiment: Experiment) -> Campaign:
    """The campaign of one point that an experiment is."""
    return Campaign(points=(Point(experiment=experiment),), tree=portable(experiment_facts(experiment)))


class Tuning(Settings):
    """Seeds on which the variants of an attack are chosen among; they never count in a result."""

    seeds: tuple[int, ...]
    only_chosen: bool = False
    """See `Campaign.only_chosen`: else all variants are run on all seeds, and those not chosen are shown as such."""


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


def _first(part: Part) -> Experiment:
    """The first point of a combination."""
    check_labels(part.tree)
    at_first = axes.placed(part.tree, {axis.path: axis.values[0] for axis in part.settings})
    return parse_experiment(with_variants(at_first, part.found))


def _require_different(parts: list[Part], firsts: list[Experiment]) -> None:
    """Two combinations with the same points would be one under two names."""
    owners: dict[Hashable, str] = {}
    for i, (part, first) in enumerate(zip(parts, firsts, strict=True)):
        varying = [(axis.path, axis.values) for axis in part.settings if len(axis.values) > 1]
        owner = owners.setdefault(axes.canonical([experiment_facts(first), varying]), part.name)
        if owner != part.name:
            raise ConfigError(f"vary.{i}: '{part.name}' has the same settings as '{owner}'; leave one of them out")


def _drafts(part: Part, first: Experiment, tuning: Tuning | None) -> Iterator[Draft]:
    """The points of one combination: the product of its axes, the first one slowest; then the tuning seeds."""
    for values in axes.product(part.settings):
        yield part.name, _at(first, values), "test"
    if tuning is not None:
        yield from _tuning_drafts(part.name, first, part.settings, tuning)


def _calibrating(part: Part, first: Experiment, seeds: tuple[int, ...]) -> Iterator[Draft]:
    """The honest points of one combination again, on seeds that set thresholds."""
    others = [axis for axis in part.settings if axis.path != ("seed",)]
    for values in axes.product([*others, Axis(("seed",), seeds)]):
        point = _at(first, values)
        if point.server.honest:
            yield part.name, point, "calibration"


def _require_tunable(tuning: Tuning, firsts: list[Experiment]) -> None:
    if not tuning.seeds:
        raise ConfigError("tuning.seeds: expected at least one seed, got none; leave [tuning] out or name some")
    if not any(variants_of(first) for first in firsts):
        raise ConfigError("tuning: no attack has variants to choose among; give an option a list, as in steps = [1, 2]")


def _require_evaluated(points: tuple[Point, ...]) -> None:
    reported = {point.experiment.seed for point in points if point.split == "test"}
    unknown = {seed for point in points for seed in point.experiment.utility.seeds} - reported
    if unknown:
        raise ConfigError(f"utility.seeds: {min(unknown)} is no seed of the results; name some of those in seed")


def _require_same_models(points: tuple[Point, ...]) -> None:
    """Points that share a federation, as what an adversary may ask changes nothing of it, must want the same of it."""
    models: dict[str, tuple[int, ...]] = {}
    for point in points:
        if models.setdefault(point.federation, point.experiment.models) != point.experiment.models:
            raise ConfigError(
                "vary: adversary.queries is set in some combinations and not in others, which share a federation; say "
                'for all of them when its model is released, as in federation.release = "last"'
            )


def _at(first: Experiment, values: dict[axes.Path, Any]) -> Experiment:
    """The experiment with other settings; only those are parsed anew."""
    if not values:
        return first
    tree = without_no_strategy(first.model_dump(include=set(PLAN_FIELDS), exclude_none=True))
    plan = parse_settings(PlanSettings, axes.placed(tree, values))
    point = first.model_copy(update={name: getattr(plan, name) for name in PLAN_FIELDS})
    require_fitting(point)
    return point


def _tuning_drafts(vary: str, first: Experiment, settings: list[Axis], tuning: Tuning) -> Iterator[Draft]:
    reported = next((axis.values for axis in settings if axis.path == ("seed",)), (first.seed,))
    both = sorted(set(reported) & set(tuning.seeds))
    if both:
        raise ConfigError(f"tuning.seeds: {both[0]} is a seed of the results too; tune on seeds that are not reported")
    if not variants_of(first):
        return
    others = [axis for axis in settings if axis.path != ("seed",)]
    for values in axes.product([*others, Axis(("seed",), tuning.seeds)]):
        yield vary, _at(first, values), "tuning"


def _spelled_out(tree: Table, base: Table, first_changes: Table) -> Table:
    """The file with every default written out; parsed again it gives the same campaign."""
    base = base if "task" in base else {**base, "task": first_changes.get("task")}
    found = axes.axes_of(base)
    first = axes.placed(base, {axis.path: axis.values[0] for axis in found})
    facts = experiment_facts(parse_unjudged(first, whole=False))
    del facts["metrics"]  # what fits one attack of several need not fit all
    for axis in (axis for axis in found if axis.path[-1] == "use"):
        _as_written(facts, base, axis.path)
    facts = axes.placed(facts, {axis.path: list(axis.values) for axis in found})
    return {**facts, **{key: tree[key] for key in OF_THE_GRID if key in tree}}


def _as_written(facts: Any, base: Any, path: axes.Path) -> None:
    """Each of the plug-ins that vary has options of its own: the table stays as the file has it."""
    last = next(place for place, part in enumerate(path) if isinstance(part, int))
    for part in path[:last]:
        facts, base = facts[part], base[part]
    facts[path[last]] = base[path[last]]


def _metrics(points: tuple[Point, ...], base: Table) -> Table:
    """The metrics as the file has them; else those of all points; none where they follow from attacks that vary."""
    if "metrics" in base:
        return {"metrics": base["metrics"]}
    found = {point.experiment.metrics for point in points}
    return {"metrics": list(found.pop())} if len(found) == 1 else {}
