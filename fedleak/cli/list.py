"""`fedleak list`: what there is to choose from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedleak.cli.options import FormOption, Kind, write_json
from fedleak.contracts.catalogue import FAMILIES, OUTSIDE, Entry, entries
from fedleak.contracts.source import CATALOGUE, FILES, IMAGE_FOLDER, sources
from fedleak.learning.source import Source

PLACES = {
    "training": "how clients train",
    "task": "on the network",
    "layers": "on which layers are sent",
    "share": "on a client's data, once before training",
    "received": "on the model that a client is sent, before it trains",
    "examples": "on the examples of a round",
    "gradient": "on the gradient of a step",
    "update": "on the update",
    "protocol": "on the protocol",
    "release": "on a model before it leaves",
    "answers": "on the answers of a prediction API",
    "embedding": "at the cut of a network, on embeddings",
    "objective": "at the cut of a network, on what a party trains by",
    "slopes": "at the cut of a network, on gradients",
}
"""Where defenses act, in the order of a round, before who asks the model and among parties of columns, in words."""
BY_WEIGHT = (
    *("release", "answers", "embedding", "objective", "slopes"),
    *("protocol", "share", "received", "examples", "gradient", "task", "layers", "update", "training"),
)
"""The same, the most characteristic first: a defense is listed under the first of its places."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A line of the table under its heading, and the same as plain data."""

    heading: str
    about: str = ""
    """What there is to say of all under the heading."""
    name: str
    words: str
    facts: dict[str, Any]


def listed_attacks() -> Iterator[Listed]:
    """By family."""
    for family in (*FAMILIES.values(), OUTSIDE):
        for entry in entries("attack"):
            if entry.family == family:
                yield _listed(entry, family, {"family": family})


def listed_defenses() -> Iterator[Listed]:
    """By where they act."""
    for place, words in PLACES.items():
        for entry in entries("defense"):
            if place == next((one for one in BY_WEIGHT if one in entry.acts_on), "training"):
                yield _listed(entry, words, {"acts_on": list(entry.acts_on)})


def listed_metrics() -> Iterator[Listed]:
    """By name, without headings."""
    return (_listed(entry, "", {}) for entry in entries("metric"))


def listed_manipulations() -> Iterator[Listed]:
    """What a malicious server does beside averaging."""
    return (_listed(entry, "", {}) for entry in entries("manipulation"))


def listed_tamperings() -> Iterator[Listed]:
    """By name, without headings."""
    return (_listed(entry, "", {}) for entry in entries("tampering"))


def listed_tasks() -> Iterator[Listed]:
    """By data source; those that plug-ins from outside bring come with the plug-ins."""
    entries("attack")
    for source in sources.values():
        about = f"{source.summary}; {source.classes} classes" if source.classes else source.summary
        names = [name for name in CATALOGUE if name.startswith(f"{source.name}-")]
        for name in names or [f"{source.name}-MODEL"]:
            yield _task(source, about, name, name.removeprefix(f"{source.name}-"))
    own = Source(IMAGE_FOLDER, (3, 32, 32), 0, "a folder of your own images, one subfolder a class")
    yield _task(own, own.summary, f"{IMAGE_FOLDER}:PATH", "convnet")
    for kind, (words, usual) in FILES.items():
        yield _task(Source(kind, (), 0, f"{words}, from its file"), f"{words}, from its file", f"{kind}:PATH", usual)


LISTS: dict[Kind, Callable[[], Iterator[Listed]]] = {
    "attacks": listed_attacks,
    "defenses": listed_defenses,
    "tasks": listed_tasks,
    "metrics": listed_metrics,
    "tamperings": listed_tamperings,
    "manipulations": listed_manipulations,
}


def _listed(entry: Entry, heading: str, place: dict[str, Any]) -> Listed:
    needed = [f"{name} (needed)" for name in entry.needed]
    options = ", ".join([*needed, *(f"{name}={value}" for name, value in entry.options.items())])
    facts = {
        "name": entry.name,
        **place,
        "summary": entry.summary,
        "options": entry.options,
        "needed": list(entry.needed),
        "paper": entry.paper,
    }
    words = f"{entry.summary}\n{options}" if options else entry.summary
    return Listed(heading=heading, name=entry.name, words=words, facts=facts)


def _task(source: Source, about: str, name: str, model: str) -> Listed:
    facts = {
        "name": name,
        "source": source.name,
        "model": model,
        "classes": source.classes or None,
        "summary": source.summary,
    }
    return Listed(heading=source.name, about=about, name=name, words=f"network {model}", facts=facts)


def _table(kind: Kind, lines: Sequence[Listed]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(kind, no_wrap=True)
    table.add_column("what it is" if kind == "tasks" else "what it does; options with their defaults")
    heading = ""
    for line in lines:
        if line.heading != heading:
            heading = line.heading
            table.add_row(Text(heading, style="bold"), Text(line.about))
        table.add_row(Text(f"  {line.name}" if heading else line.name), Text(line.words))
    return table


def command(kind: Annotated[Kind, typer.Argument(help="What to list.")], form: FormOption = "table") -> None:
    """List attacks, defenses, tasks, metrics, tamperings or manipulations with their options and defaults."""
    lines = list(LISTS[kind]())
    if form == "json":
        write_json([line.facts for line in lines])
    else:
        Console(highlight=False).print(_table(kind, lines))
