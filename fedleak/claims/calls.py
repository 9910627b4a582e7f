"""Calls in source that is read and never run: the arguments of those looked for, as far as they can be worked out."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedleak.claims.values import UnknownError, Values, last_part
from fedleak.errors import DataError, first_line


@dataclass(frozen=True)
class Call:
    """A call, or the bare name of a function that is handed on, with the arguments that could be worked out."""

    name: str
    path: Path
    line: int
    known: dict[str, Any] = field(default_factory=dict)
    """By the parameter's name."""
    unknown: tuple[str, ...] = ()
    """Parameters that are given, and whose values only running the code would tell."""


def calls_in(path: Path, signatures: Mapping[str, Sequence[str]], config: Mapping[str, Any]) -> Iterator[Call]:
    """Calls of those functions in a file; `signatures` has the names of each one's positional parameters.

    Other names that they are imported under, `functools.partial` and classes made from them count too. `config` is the
    run config: a key of what may be it is its value. Raises `DataError` where the file is no Python.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), path)
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: expected Python, and it cannot be read: {first_line(error)}") from error
    values = Values(tree, config)
    also = _also_called(tree, signatures)
    done = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            handed = node.args[:1] if last_part(node.func) == "partial" else []
            for function, given in ((node.func, node.args), *((one, node.args[1:]) for one in handed)):
                name = also.get(last_part(function), last_part(function))
                if name in signatures:
                    done.add(id(function))
                    yield _call(node, name, path, dict(zip(signatures[name], given, strict=False)), values)
        elif isinstance(node, ast.ClassDef):
            names = [also.get(last_part(base), last_part(base)) for base in node.bases]
            yield from (Call(one, path, node.lineno, {}, ("**",)) for one in names if one in signatures)
        elif isinstance(node, ast.Name | ast.Attribute) and id(node) not in done:
            name = also.get(last_part(node), last_part(node))
            if name in signatures and not signatures[name] and isinstance(node.ctx, ast.Load):
                yield Call(name, path, node.lineno)


def _also_called(tree: ast.AST, signatures: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What functions are called in a file where that is not their own name."""
    also: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            also |= {one.asname: one.name for one in node.names if one.asname and one.name in signatures}
        elif isinstance(node, ast.Assign) and last_part(node.value) in signatures:
            also |= {one.id: last_part(node.value) for one in node.targets if isinstance(one, ast.Name)}
    return also


def _call(node: ast.Call, name: str, path: Path, given: dict[str, ast.expr], values: Values) -> Call:
    known: dict[str, Any] = {}
    unknown = ["**"] if any(isinstance(one, ast.Starred) for one in node.args) else []
    for one in node.keywords:
        try:
            given |= {one.arg: one.value} if one.arg is not None else values.items(one.value)
        except UnknownError:
            unknown.append("**")
    for parameter, value in given.items():
        try:
            known[parameter] = values.of(value)
        except UnknownError:
            unknown.append(parameter)
    return Call(name, path, node.lineno, known, tuple(dict.fromkeys(unknown)))
