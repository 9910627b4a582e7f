"""Catalogue: plug-ins and their citations, read from source, so that naming one loads neither it nor PyTorch.

Only plug-ins from outside, which installed packages bring by entry points, have to be imported to be known.
"""

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

import fedleak
from fedleak.contracts.source_reading import MISSING, Definition, module_named, value_of

Kind = Literal["attack", "defense", "metric", "tampering", "manipulation"]
PACKAGES: dict[Kind, str] = {
    "attack": "fedleak.attacks",
    "defense": "fedleak.defenses",
    "metric": "fedleak.metrics",
    "tampering": "fedleak.tamperings",
    "manipulation": "fedleak.server.malicious",
}
CONTRACT = "fedleak.contracts.defense"
PARTS = "parts"
"""The folder of pieces that plug-ins are made of; no plug-in lies there."""
ENTRY_POINTS = "fedleak.plugins"
"""The group in which other packages name modules that register plug-ins."""
OUTSIDE = "from outside"
FAMILIES = {
    "gradient_matching": "gradient matching",
    "several_local_steps": "several local steps",
    "analytic": "analytic",
    "label_inference": "labels",
    "learned": "learned",
    "membership": "membership inference",
    "versions": "changes between versions",
    "attributes": "attribute inference",
    "split": "split learning",
    "property": "property inference",
    "secrets": "secrets in texts",
    "payload": "hidden payloads",
    "model_inversion": "model inversion",
    "malicious": "malicious servers",
    "baselines": "baselines",
    "wrappers": "wrappers",
}
"""The families of attacks by their folders, in the order in which they are listed."""


@cache
def bibliography() -> dict[str, str]:
    """The entries of `citations.bib`, as they are written there, by key."""
    text = files("fedleak").joinpath("citations.bib").read_text(encoding="utf-8")
    entries = re.split(r"^(?=@)", text, flags=re.MULTILINE)[1:]
    return {entry[entry.index("{") + 1 : entry.index(",")]: entry.strip() for entry in entries}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A plug-in, as people choose it."""

    name: str
    family: str
    """Of an attack, or that it comes from outside; empty for others."""
    acts_on: tuple[str, ...]
    """Where along a client's round a defense acts, in that order; empty for others."""
    summary: str
    options: dict[str, Any]
    """The defaults by name, nested plug-ins as tables."""
    needed: tuple[str, ...]
    """Options without a default."""
    paper: str
    bibtex: str


@cache
def entries(kind: Kind) -> tuple[Entry, ...]:
    """All plug-ins of a kind, by name."""
    own = {entry.name: entry for entry in _own(kind)}
    known = own
    if entry_points(group=ENTRY_POINTS):
        imported = resolve_name("fedleak.contracts.outside:imported_entries")(kind)
        known = {entry.name: entry for entry in imported} | own
    return tuple(known[name] for name in sorted(known))


def names_of(*kinds: Kind) -> list[str]:
    """The names of all plug-ins of some kinds."""
    return [entry.name for kind in kinds for entry in entries(kind)]


def summary_of(docstring: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(docstring or "").partition("\n\n")[0].split())


def in_order(places: Iterable[str]) -> tuple[str, ...]:
    return tuple(place for place in dict.fromkeys(_places().values()) if place in places)


def _own(kind: Kind) -> Iterator[Entry]:
    package = PACKAGES[kind]
    for name in _modules_below(package):
        module = module_named(name)
        assert module is not None
        folder = name.removeprefix(package).split(".")[1]
        for node in module.classes.values():
            found = Definition(module=module, node=node)
            if found.registered is not None:
                yield _read(found, found.registered, kind, folder)


def _modules_below(package: str) -> Iterator[str]:
    """Names of the files that the registry would import."""
    relative = Path(*package.split(".")[1:])
    root = next(folder for path in fedleak.__path__ if (folder := Path(path) / relative).is_dir())
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if PARTS not in parts and parts[-1] != "__init__":
            yield ".".join([package, *parts])


def _read(found: Definition, name: str, kind: Kind, folder: str) -> Entry:
    options = found.options()
    return Entry(
        name=name,
        family=_family(found, folder) if kind == "attack" else "",
        acts_on=_acts_on(found) if kind == "defense" else (),
        summary=summary_of(_docstring(found)),
        options={key: value for key, value in options.items() if value is not MISSING},
        needed=tuple(key for key, value in options.items() if value is MISSING),
        paper=found.class_value("paper"),
        bibtex=_citation(found),
    )


def _family(found: Definition, folder: str) -> str:
    """The folder says it; but for gradient matching that is made for updates of several local steps, or rounds."""
    return FAMILIES["several_local_steps" if found.class_value("follows_steps", False) else folder]


def _acts_on(found: Definition) -> tuple[str, ...]:
    members = found.members()
    return in_order({place for member, place in _places().items() if member in members})


@cache
def _places() -> dict[str, str]:
    """`PLACES` of the contract of a defense."""
    module = module_named(CONTRACT)
    assert module is not None
    places: dict[str, str] = value_of(module, module.values["PLACES"])
    return places


def _docstring(found: Definition) -> str:
    first = found.node.body[0]
    return str(first.value.value) if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else ""


def _citation(found: Definition) -> str:
    """As `Plugin.citation`."""
    own, key = found.class_value("bibtex").strip(), found.class_value("cites")
    return own or (bibliography()[key] if key else "")
