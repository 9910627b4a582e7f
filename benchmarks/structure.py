"""The structure of the source: files, their length, circles of imports between files and between rooms.

    python benchmarks/structure.py [ROOT]

A room is a folder of `fedleak`, a party, or a loose file at the top. Exits 1 where a promise is broken. That no import
climbs the ladder of rooms is checked by `make contracts`, from the layers in pyproject.toml.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

PARTIES = ("attacks", "clients", "server")
MOST_FILES, LONGEST, MOST_LOOSE = 915, 250, 15
WITH_CODE = {"fedleak", "fedleak.cli", "fedleak.wiretap"}
"""The packages whose `__init__.py` holds code: where the parties lie, and the entry points of command and tap."""
Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class Source:
    """A file of the packages."""

    module: str
    """As it is imported: parties are below fedleak."""
    is_package: bool
    text: str

    @property
    def is_docstring(self) -> bool:
        """Whether that is all there is."""
        tree = ast.parse(self.text)
        return ast.get_docstring(tree) is not None and len(tree.body) == 1

    @property
    def lines(self) -> int:
        """How many there are."""
        return self.text.count("\n")

    def imports(self, modules: Mapping[str, "Source"]) -> Iterator[str]:
        """The modules of ours that it imports, wherever in the file."""
        for node in ast.walk(ast.parse(self.text)):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in modules)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                for alias in node.names:
                    name = f"{base}.{alias.name}"
                    yield from (found for found in [name if name in modules else base] if found in modules)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.module.split(".")
        package = parts if self.is_package else parts[:-1]
        return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def sources(root: Path) -> dict[str, Source]:
    """Every file of the packages below a checkout, by module."""
    found = (_source(root, path) for folder in ("fedleak", *PARTIES) for path in sorted((root / folder).rglob("*.py")))
    return {source.module: source for source in found}


def _source(root: Path, path: Path) -> Source:
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts if parts[0] == "fedleak" else ("fedleak", *parts)
    is_package = parts[-1] == "__init__"
    return Source(".".join(parts[:-1] if is_package else parts), is_package, path.read_text())


def between_files(modules: Mapping[str, Source]) -> Graph:
    """What each file imports. A package's own docstring file holds nothing, so to import from it is to import it."""
    return {name: set(source.imports(modules)) - {name} for name, source in modules.items()}


def between_rooms(files: Graph, below: str = "fedleak") -> Graph:
    """What each folder or loose file of a package imports of others there."""
    prefix = f"{below}."
    inside = {name: imported for name, imported in files.items() if name.startswith(prefix)}
    rooms: dict[str, set[str]] = {}
    for module, imported in inside.items():
        room = module.removeprefix(prefix).partition(".")[0]
        others = {other.removeprefix(prefix).partition(".")[0] for other in imported if other in inside}
        rooms.setdefault(room, set()).update(others - {room})
    return rooms


def circle(graph: Graph) -> list[str]:
    """One circle of a graph, first and last the same; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def floors(graph: Graph) -> list[list[str]]:
    """The rooms by floor, the lowest first: each imports only from below."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.append(ready)
        sorter.done(*ready)
    return found


def broken(root: Path, modules: Mapping[str, Source]) -> Iterator[str]:
    """A sentence for each promise that does not hold."""
    yield from _circles(modules)
    if len(written(modules)) > MOST_FILES:
        yield f"{len(written(modules))} files, at most {MOST_FILES} expected"
    if len(loose(root)) > MOST_LOOSE:
        yield f"{len(loose(root))} loose files at the top of fedleak, at most {MOST_LOOSE} expected"
    for source in modules.values():
        if source.lines > LONGEST:
            yield f"{source.module} has {source.lines} lines, at most {LONGEST} expected"
        if source.is_package and source.module not in WITH_CODE and not source.is_docstring:
            yield f"the __init__.py of {source.module} holds other than a docstring"


def _circles(modules: Mapping[str, Source]) -> Iterator[str]:
    files = between_files(modules)
    if found := circle(files):
        yield f"a circle of files: {' -> '.join(found)}"
    for package in (source.module for source in modules.values() if source.is_package):
        if found := circle(between_rooms(files, package)):
            yield f"a circle of rooms in {package}: {' -> '.join(found)}"


def written(modules: Mapping[str, Source]) -> list[Source]:
    """The files, but for those that only make a folder a package."""
    return [source for source in modules.values() if not source.is_package]


def loose(root: Path) -> list[str]:
    """Files at the top of fedleak, but for those that Python asks for."""
    return sorted(path.name for path in (root / "fedleak").glob("*.py") if not path.name.startswith("__"))


def figures(root: Path, modules: Mapping[str, Source]) -> Iterable[str]:
    """What there is, a line each."""
    files = between_files(modules)
    rooms = between_rooms(files)
    lines = sorted(source.lines for source in written(modules))
    yield f"files: {len(lines)}, {sum(lines)} lines; median {median(lines):.0f}, longest {lines[-1]}"
    yield f"loose files at the top of fedleak: {len(loose(root))} ({', '.join(loose(root))})"
    yield f"rooms: {len(rooms)}, arrows between them: {sum(map(len, rooms.values()))}"
    if not circle(rooms):
        yield "floors, each room importing only from above:"
        yield from ("  " + " ".join(floor) for floor in floors(rooms))


def main(root: Path) -> int:
    """Prints the figures, then what is broken."""
    modules = sources(root)
    sys.stdout.writelines(f"{line}\n" for line in figures(root, modules))
    complaints = list(broken(root, modules))
    sys.stdout.writelines(f"BROKEN: {line}\n" for line in complaints)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]))
