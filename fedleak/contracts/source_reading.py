"""Static reading of plug-ins: what their source says of them, by syntax trees; nothing that they import is imported.

A class is followed to those of its bases that are fedleak's own, up to the contract, which is where the plug-in begins.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import fedleak

CONTRACTS = ("fedleak.contracts.", "fedleak.goals.")
"""Where the contracts of plug-ins are."""
MISSING = object()
"""The default of an option that has none."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """What a file defines, and where the names come from that it imports."""

    name: str
    classes: dict[str, ast.ClassDef]
    values: dict[str, ast.expr]
    imported: dict[str, tuple[str, str]]
    """Module and name there, by the name here."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A class in its file."""

    module: Module
    node: ast.ClassDef

    @property
    def registered(self) -> str | None:
        """The name in `@REGISTRY.register("name")`, the outermost decorator."""
        for decorator in self.node.decorator_list:
            if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
                argument = decorator.args[0] if decorator.args else None
                if decorator.func.attr == "register" and isinstance(argument, ast.Constant):
                    return str(argument.value)
        return None

    def lineage(self) -> Iterator["Definition"]:
        """The class, then its bases."""
        yield self
        for base in self.node.bases:
            found = definition_of(self.module, base)
            if found is not None:
                yield from found.lineage()

    def class_value(self, name: str, default: Any = "") -> Any:
        """A class variable, the nearest."""
        for one in self.lineage():
            for node in one.node.body:
                if isinstance(node, ast.AnnAssign) and _target(node) == name and node.value is not None:
                    return value_of(one.module, node.value)
        return default

    def members(self) -> set[str]:
        """Names of what the class defines or inherits below the contract."""
        names: set[str] = set()
        for one in self.lineage():
            for node in one.node.body:
                if isinstance(node, ast.FunctionDef):
                    names.add(node.name)
                elif isinstance(node, ast.AnnAssign) and _of_class(node):
                    names.add(_target(node))
        return names

    def options(self) -> dict[str, Any]:
        """The dataclass fields with their defaults, in the order that the dataclass gives them."""
        found: dict[str, Any] = {}
        for one in reversed(list(self.lineage())):
            for node in one.node.body:
                if isinstance(node, ast.AnnAssign) and not _of_class(node):
                    found[_target(node)] = MISSING if node.value is None else value_of(one.module, node.value)
        return found


@lru_cache(maxsize=512)
def module_named(name: str) -> Module | None:
    """The file of one of fedleak's own modules, read; None where it is not ours."""
    parts = name.split(".")
    files = [Path(root, *parts[1:]).with_suffix(".py") for root in fedleak.__path__]
    path = next((path for path in files if path.is_file()), None)
    if parts[0] != "fedleak" or path is None:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"), path)
    return Module(
        name=name,
        classes={node.name: node for node in tree.body if isinstance(node, ast.ClassDef)},
        values=dict(_values(tree)),
        imported={
            alias.asname or alias.name: (_absolute(node, name), alias.name)
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        },
    )


def definition_of(module: Module, reference: ast.expr) -> Definition | None:
    """The class that an expression names, where it is one of ours."""
    name = reference.id if isinstance(reference, ast.Name) else ""
    if name in module.classes:
        return Definition(module=module, node=module.classes[name])
    where, other = module.imported.get(name, ("", ""))
    found = None if where.startswith(CONTRACTS) else module_named(where)
    return None if found is None or other not in found.classes else Definition(module=found, node=found.classes[other])


def value_of(module: Module, expression: ast.expr) -> Any:
    """A default: a literal, a constant of a module, or a plug-in as the table that an experiment file has for it."""
    if isinstance(expression, ast.Call):
        plugin = definition_of(module, expression.func)
        if plugin is not None and plugin.registered is not None:
            fields = {name: value for name, value in plugin.options().items() if value is not None}
            fields |= {word.arg: value_of(module, word.value) for word in expression.keywords if word.arg is not None}
            return {"use": plugin.registered, **fields}
    if isinstance(expression, ast.Name):
        return _constant(module, expression.id)
    if isinstance(expression, ast.Tuple | ast.List):
        return [value_of(module, item) for item in expression.elts]
    return ast.literal_eval(expression)


def _constant(module: Module, name: str) -> Any:
    if name in module.values:
        return value_of(module, module.values[name])
    where, other = module.imported[name]
    found = module_named(where)
    if found is None:
        raise LookupError(f"{module.name}: the default {name} is no constant of fedleak's own")
    return _constant(found, other)


def _values(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield _target(node), node.value


def _absolute(node: ast.ImportFrom, name: str) -> str:
    """The module that is imported from; `..x` counts from the importing one."""
    if not node.level:
        return node.module or ""
    return ".".join([*name.split(".")[: -node.level], *([node.module] if node.module else [])])


def _target(node: ast.AnnAssign) -> str:
    return node.target.id if isinstance(node.target, ast.Name) else ""


def _of_class(node: ast.AnnAssign) -> bool:
    annotation = node.annotation.value if isinstance(node.annotation, ast.Subscript) else node.annotation
    return isinstance(annotation, ast.Name) and annotation.id == "ClassVar"
