"""Provenance of a run: command, file, versions and machine to run it again, and the papers of its plug-ins."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from fedleak.contracts.plugin import Plugin
from fedleak.formatting import counted
from fedleak.runs.manifest import Manifest
from fedleak.runs.reading import FinishedRun

LONGEST = 60_000
"""Characters of the experiment file that are shown."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to type, and what it was that ran."""

    command: str
    experiment: str
    """The file, every option written out."""
    facts: tuple[tuple[str, str], ...]


def recipe(run: FinishedRun) -> Recipe:
    """The recipe of a run."""
    manifest = run.manifest
    jobs = f" --jobs {manifest.jobs}" if manifest.jobs > 1 else ""
    engine = "" if manifest.engine == "loopback" else f" --engine {shlex.quote(manifest.engine)}"
    text = run.folder.experiment.read_text()
    if len(text) > LONGEST:
        rest = f"# ... and {len(text) - LONGEST:,} characters more, in the run folder's experiment.toml"
        text = f"{text[:LONGEST]}\n{rest}\n"
    return Recipe(
        command=f"fedleak run experiment.toml{jobs}{engine} --out NEW_FOLDER",
        experiment=text,
        facts=tuple(_facts(manifest)),
    )


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A paper, and what of the run follows it."""

    names: tuple[str, ...]
    does: str
    paper: str
    bibtex: str


def citations(plugins: Iterable[Plugin]) -> list[Citation]:
    """One for each paper, in the order of use."""
    by_paper: dict[tuple[str, str], list[Plugin]] = {}
    for plugin in plugins:
        by_paper.setdefault((plugin.paper, plugin.citation()), []).append(plugin)
    return [
        Citation(
            names=tuple(plugin.name for plugin in own),
            does=(own[0].__doc__ or "").strip().partition("\n")[0],
            paper=paper if paper.startswith(("https://", "http://")) else "",
            bibtex=bibtex,
        )
        for (paper, bibtex), own in by_paper.items()
    ]


def _facts(manifest: Manifest) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in manifest.packages.items())
    seeds = ", ".join(map(str, manifest.seeds[:20])) + (" …" if len(manifest.seeds) > 20 else "")
    ended = "not finished" if manifest.finished is None else f"to {manifest.finished}"
    took = "" if manifest.seconds is None else f", {manifest.seconds:.0f} s"
    return [
        ("fedleak", f"{manifest.fedleak}, source fingerprint {manifest.source}"),
        ("experiment", f"content address {manifest.experiment}"),
        ("seeds", seeds),
        ("cells", f"{manifest.cells_finished:,} of {manifest.cells_planned:,}"),
        ("versions", f"Python {manifest.python}, torch {manifest.torch}, {versions}"),
        ("machine", f"{manifest.platform}, {counted(manifest.cpus, 'core')}"),
        ("time", f"{manifest.started} {ended}{took}{', resumed' if manifest.resumed else ''}"),
        ("workers", f"{counted(manifest.jobs, 'process').replace('processs', 'processes')}, "
                    f"{counted(manifest.threads_per_cell, 'thread')} a cell, engine {manifest.engine}"),
    ]  # fmt: skip
