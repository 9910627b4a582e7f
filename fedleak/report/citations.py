"""The papers behind every attack, defense and metric of a run."""

from collections.abc import Iterable
from dataclasses import dataclass

from fedleak.contracts.plugin import Plugin


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
        by_paper.setdefault((plugin.paper, plugin.bibtex.strip()), []).append(plugin)
    return [
        Citation(
            names=tuple(plugin.name for plugin in own),
            does=(own[0].__doc__ or "").strip().partition("\n")[0],
            paper=paper if paper.startswith(("https://", "http://")) else "",
            bibtex=bibtex,
        )
        for (paper, bibtex), own in by_paper.items()
    ]
