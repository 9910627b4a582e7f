"""Page of an audit: what came back of an app's updates, pictures beside the truth, the ladder, and every fact."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from fedleak import __version__
from fedleak.audit.exhibit import has_exhibit, name_of, read_exhibit
from fedleak.audit.verdict import (
    AS_IT_IS,
    Audited,
    Facts,
    best_of,
    by_rung,
    came_back,
    caveats,
    missing,
    not_tried,
    what_protects,
)
from fedleak.formatting import counted
from fedleak.io.atomic import write_atomically
from fedleak.report.pictures import data_uri

CLEAR = "in clear beside the update"
"""The fact that says what a reply has beside the arrays."""


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """A line of pictures: the truth, or what one attack made of it."""

    title: str
    tiles: tuple[tuple[str, str], ...]
    """Pictures as `data:` addresses, with a caption each."""


@dataclass(frozen=True, kw_only=True)
class Album:
    """The pictures of one attacked update."""

    whose: str
    lines: tuple[Guesses, ...]


@dataclass(frozen=True, kw_only=True)
class Rung:
    """A rung of the ladder."""

    name: str
    back: str
    share: float
    """Of the examples that come back, in percent."""
    best: str
    beside: str
    attack: str


@dataclass(frozen=True, kw_only=True)
class AuditPage:
    """The sections of the page, in their order."""

    name: str
    about: str
    lead: tuple[str, ...]
    caveats: tuple[str, ...]
    albums: tuple[Album, ...]
    rungs: tuple[Rung, ...]
    tried: tuple[tuple[str, ...], ...]
    """Attack, PSNR, best, guessing, examples back, labels, seconds, whose update."""
    silent: tuple[tuple[str, str], ...]
    """Attacks without a guess at all as it is, and why."""
    updates: tuple[Facts, ...]
    clear: tuple[tuple[str, str], ...]
    """Whose reply, and what stands in clear beside it."""
    not_tried: tuple[str, ...]


def write_audit_report(audited: Audited, path: Path) -> Path:
    """Writes the page whole; raises `OutputError` where it cannot be, `RecordingError` where pictures are damaged."""
    return write_atomically(path, render(page_of(audited)).encode())


def render(page: AuditPage) -> str:
    """The page as HTML; everything that comes from outside is escaped."""
    environment = Environment(
        loader=PackageLoader("fedleak.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    return environment.get_template("audit.html.j2").render(page=page)


def page_of(audited: Audited) -> AuditPage:
    """The page of an audit, from its folder alone."""
    facts = audited.facts
    real = by_rung(facts).get(AS_IT_IS, [])
    attacked = list(dict.fromkeys((one["client"], one["round"]) for one in real))
    updates = facts["updates"]
    return AuditPage(
        name=str(facts["app"]),
        about=f"Audit of {counted(len(updates), 'update')}, {len(attacked)} of them attacked; fedleak {__version__}",
        lead=(*came_back(facts), *what_protects(facts)),
        caveats=tuple(caveats(facts)),
        albums=tuple(_albums(audited.folder, attacked)),
        rungs=tuple(_rung(name, tried) for name, tried in by_rung(facts).items()),
        tried=tuple(_lines(real)),
        silent=tuple(dict.fromkeys((one["attack"], _why(one)) for one in real if one["attack"] and _none(one))),
        updates=tuple(updates),
        clear=tuple((_whose(one), fact["found"]) for one in updates for fact in one["facts"] if fact["what"] == CLEAR),
        not_tried=tuple(not_tried(facts)),
    )


def _albums(folder: Path, attacked: Sequence[tuple[int, int]]) -> Iterator[Album]:
    for client, round in attacked:
        if not has_exhibit(folder, name_of(client, round)):  # whoever keeps an audit may delete the images in it
            continue
        tensors, captions = read_exhibit(folder, name_of(client, round))
        lines = []
        for title, images in tensors.items():
            below = captions.get(title, [f"example {number}" for number in range(1, len(images) + 1)])
            tiles = tuple((data_uri(image), words) for image, words in zip(images, below, strict=True))
            lines.append(Guesses(title=title, tiles=tiles))
        yield Album(whose=f"client {client}, round {round}", lines=tuple(lines))


def _rung(name: str, tried: Sequence[Facts]) -> Rung:
    best = best_of(tried)
    if best is None:
        return Rung(name=name, back="no guess", share=0.0, best="-", beside="-", attack="-")
    return Rung(
        name=name,
        back=f"{best['leaked']} of {best['examples']}",
        share=100 * best["leaked"] / best["examples"],
        best=_figure(best["psnr"], 1),
        beside=_figure(best["prior"], 1),
        attack=str(best["attack"]),
    )


def _lines(tried: Sequence[Facts]) -> Iterator[tuple[str, ...]]:
    """Attacks that have a guess at anything, the nearest first."""
    known = [one for one in tried if one["attack"] and not _none(one)]
    for one in sorted(known, key=lambda one: (-one["leaked"], -(one["psnr"] or 0.0), one["attack"])):
        figures = (_figure(one[key], 1) for key in ("psnr", "best", "prior"))
        back = "-" if missing(one["psnr"]) else f"{one['leaked']} of {one['examples']}"
        yield (one["attack"], *figures, back, _figure(one["labels"], 2), _figure(one["seconds"], 1), _whose(one))


def _none(one: Facts) -> bool:
    return missing(one["psnr"]) and missing(one["labels"])


def _why(one: Facts) -> str:
    return f"{one['broke']}: {one['reason']}" if one["broke"] else str(one["reason"])


def _whose(one: Facts) -> str:
    return f"client {one['client']}, round {one['round']}"


def _figure(value: Any, digits: int | None = None) -> str:
    if missing(value):
        return "-"
    return f"{value:.2g}" if digits is None else f"{value:.{digits}f}"
