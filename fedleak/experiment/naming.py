"""Naming: what tells the points of a campaign apart, as values in rows and as folders; labels of attacks."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from fedleak.experiment.campaign import Point
from fedleak.experiment.canonical import attack_tables
from fedleak.experiment.experiment import Experiment
from fedleak.io.fingerprint import address_of, file_name
from fedleak.results.schema import Split
from fedleak.settings.adversary import ATTACKERS_SETTINGS, CRAFTED_FROM
from fedleak.settings.base import Scalar, Settings, Table
from fedleak.settings.bundle import SHOWN
from fedleak.settings.federation import PlanSettings
from fedleak.settings.server import ROW, ServerSettings
from fedleak.settings.task import TaskSettings

OWN_COLUMNS = ("seed", "task")
"""What varies but has a place of its own in a row."""
DOES, TAMPERINGS = "does", "adversary.does"
"""The tamperings of the adversary's settings: tables, whose options may vary."""
APP = "task.app"
"""Of an audited app's task, what tells it from others of its name."""
UNTAMPERED = "untampered"
"""Of a federation that is run beside a tampered one."""
Draft = tuple[str, Experiment, Split]
"""Name of the combination, experiment, split: a point before it is known what varies."""


def named(drafts: list[Draft]) -> Iterator[Point]:
    """The points, each with what tells it from the others."""
    flat = [
        {**_flat(experiment, PlanSettings.model_fields), **({"vary": vary} if vary else {})}
        for vary, experiment, _ in drafts
    ]
    apps = {one[APP] for one in flat if APP in one}
    told = len(apps) == len({one["task"] for one in flat if APP in one})
    manipulating = any(not experiment.server.honest for _, experiment, _ in drafts)
    varying = [
        key
        for key in {key: None for one in flat for key in one}
        if (len({str(one.get(key)) for one in flat}) > 1 and not (key == APP and told)) or (key == ROW and manipulating)
    ]
    federation_keys = [key for key in varying if key not in _shared(drafts)]
    last = [key.rpartition(".")[2] for key in federation_keys]
    short = {key: name if last.count(name) == 1 else key for key, name in zip(federation_keys, last, strict=True)}
    clean = {key: name for key, name in short.items() if not key.startswith(TAMPERINGS)}
    spoken = [{**facts, **_leaving_words(draft[1])} for draft, facts in zip(drafts, flat, strict=True)]
    untampered = {
        _folder(clean, words): _folder(short, words)
        for (_, experiment, _), words in zip(drafts, spoken, strict=True)
        if not experiment.adversary.does
    }
    for (_, experiment, split), facts, words in zip(drafts, flat, spoken, strict=True):
        alike = _folder(clean, words)
        yield Point(
            experiment=experiment,
            setting={key: facts.get(key, "") for key in varying if key not in OWN_COLUMNS},
            federation=_folder(short, words),
            split=split,
            twin=untampered.get(alike, f"{alike} {UNTAMPERED}".strip()) if experiment.adversary.does else None,
        )


def _folder(names: Mapping[str, str], words: Mapping[str, Scalar]) -> str:
    """What a federation is called by its settings of these keys, each with its name."""
    name = " ".join(f"{short}={words.get(key, '')}" for key, short in names.items())
    return file_name(name) if name else ""


def labels_of(tables: tuple[Table, ...]) -> list[str]:
    """Names for the rows: the attack's label or own name, and `name-2`, `name-3`, ... where it comes again.

    A number that would give the name of another attack is left out.
    """
    names = [str(table.get("label", table["use"])) for table in tables]
    given = set(names)
    numbered: dict[str, Iterator[str]] = {}
    return [next(numbered[name]) if name in numbered else _first(name, numbered, given) for name in names]


def labeled_attacks(experiment: Experiment) -> dict[str, Table]:
    """The attacks of an experiment by label, every option written out."""
    return dict(zip(labels_of(experiment.attacks), attack_tables(experiment), strict=True))


def algorithm_of(table: Table) -> str:
    """The registered name of an attack and of the one within it, as in `plain dlg`; who shares it are variants."""
    inner = table.get("attack")
    return " ".join([str(table["use"]), *([algorithm_of(inner)] if isinstance(inner, dict) else [])])


def title_of(label: str, table: Table) -> str:
    """An attack's label or, where it is no more than its name, that with the attack within: `plain dlg`."""
    return algorithm_of(table) if label == table["use"] else label


def variants_of(experiment: Experiment) -> dict[str, str]:
    """The labels of attacks that have variants to choose among, each with what these have in common."""
    algorithms = {label: algorithm_of(table) for label, table in labeled_attacks(experiment).items()}
    several = Counter(algorithms.values())
    return {label: algorithm for label, algorithm in algorithms.items() if several[algorithm] > 1}


def _flat(settings: Settings, names: Iterable[str], prefix: str = "") -> dict[str, Scalar]:
    """Dotted keys with scalar values; lists and tables as JSON."""
    flat: dict[str, Scalar] = {}
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, TaskSettings):
            flat |= _task(value)
        elif isinstance(value, ServerSettings):
            flat[name] = value.name
        elif isinstance(value, Settings):
            flat |= _flat(value, type(value).model_fields, f"{prefix}{name}.")
        elif name == DOES:
            flat |= _options(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = _scalar(value)
    return flat


def _options(tables: tuple[Table, ...], prefix: str) -> dict[str, Scalar]:
    """Each option of a table by its place."""
    return {f"{prefix}{i}.{key}": _scalar(value) for i, table in enumerate(tables) for key, value in table.items()}


def _task(task: TaskSettings) -> dict[str, Scalar]:
    """What a task is called, and beside it what its name may not say."""
    facts = {} if task.is_short else task.model_dump(mode="json", exclude_none=True, exclude={"name", "folder"})
    if task.bundle is not None:  # the table of an audit says at length what one address says
        facts = {"app": address_of(facts)[:SHOWN]}
    return {"task": task.label, **{f"task.{key}": _scalar(value) for key, value in facts.items()}}


def _scalar(value: Any) -> Scalar:
    if value is None:
        return ""
    if isinstance(value, tuple) and any(isinstance(one, Settings) for one in value):
        value = [one.model_dump(mode="json", exclude_none=True) for one in value]
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def _leaving_words(experiment: Experiment) -> dict[str, Scalar]:
    """Who leaves, where the experiment names them, as words that a folder may be called."""
    dropouts = experiment.federation.dropouts
    if isinstance(dropouts, float | int):
        return {}
    when = (f" in round {one.round}" if one.round else "" for one in dropouts)
    words = (f"client {one.client} before {one.stage}{then}" for one, then in zip(dropouts, when, strict=True))
    return {"federation.dropouts": ", ".join(words)}


def _shared(drafts: list[Draft]) -> tuple[str, ...]:
    """Settings under which a federation is the same; not combinations, where the same name stands for two defenses."""
    alike = all(experiment.defenses == drafts[0][1].defenses for _, experiment, _ in drafts)
    crafting = any(not experiment.server.honest for _, experiment, _ in drafts)
    own = {*([] if alike else ["vary"]), *(CRAFTED_FROM if crafting else [])}
    return tuple(key for key in ATTACKERS_SETTINGS if key not in own)


def _first(name: str, numbered: dict[str, Iterator[str]], given: set[str]) -> str:
    """A name where it comes first; whoever comes later takes one from `numbered`."""
    others = (f"{name}-{number}" for number in count(2))
    numbered[name] = (other for other in others if other not in given)
    return name
