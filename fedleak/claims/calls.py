"""Calls in source that is read and never run: the arguments of those looked for, as far as they can be worked out."""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fedleak.errors import DataError, first_line

_BINARY: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow,
}  # fmt: skip
_CASTS: Final = ("float", "int", "str", "bool", "cast")
_MOST_POWER = 1000


class _Unknown(Exception):  # noqa: N818  caught where it is raised for
    """A value that only running the code would tell."""


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

    `config` is the run config: whatever is taken from a mapping by one of its keys is its value. Raises `DataError`
    where the file is no Python.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), path)
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: expected Python, and it cannot be read: {first_line(error)}") from error
    values = _Values(tree, config)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    imports = {id(name) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _last(node.func)) in signatures:
            yield _call(node, name, path, signatures[name], values)
        elif isinstance(node, ast.Name | ast.Attribute) and id(node) not in called | imports:
            name = _last(node)
            if name in signatures and not signatures[name] and isinstance(node.ctx, ast.Load):
                yield Call(name, path, node.lineno)


def _call(node: ast.Call, name: str, path: Path, parameters: Sequence[str], values: "_Values") -> Call:
    given = dict(zip(parameters, node.args, strict=False))
    given |= {one.arg: one.value for one in node.keywords if one.arg is not None}
    known, unknown = {}, []
    if any(one.arg is None for one in node.keywords) or any(isinstance(one, ast.Starred) for one in node.args):
        unknown.append("**")
    for parameter, value in given.items():
        try:
            known[parameter] = values.of(value)
        except _Unknown:
            unknown.append(parameter)
    return Call(name, path, node.lineno, known, tuple(unknown))


def _last(node: ast.AST) -> str:
    """The last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


class _Values:
    """What expressions of a file come to: constants, names that are given one value, keys of the run config."""

    def __init__(self, tree: ast.AST, config: Mapping[str, Any]) -> None:
        self._config = config
        self._assigned: dict[str, list[ast.expr]] = {}
        self._seen: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self._assigned.setdefault(node.targets[0].id, []).append(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                self._assigned.setdefault(node.target.id, []).append(node.value)
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                self._assigned.setdefault(node.target.id, []).extend([node.value, node.value])

    def of(self, node: ast.expr) -> Any:
        """The value; raises `_Unknown`."""
        match node:
            case ast.Constant():
                return node.value
            case ast.UnaryOp(op=ast.USub()):
                return -self._number(node.operand)
            case ast.BinOp() if type(node.op) in _BINARY:
                left, right = self._number(node.left), self._number(node.right)
                if isinstance(node.op, ast.Pow) and abs(right) > _MOST_POWER:
                    raise _Unknown
                try:
                    return _BINARY[type(node.op)](left, right)
                except (ArithmeticError, ValueError) as error:
                    raise _Unknown from error
            case ast.List() | ast.Tuple():
                return [self.of(one) for one in node.elts]
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                return self._of_key(key)
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *rest]):
                return self._config[key] if key in self._config or not rest else self.of(rest[0])
            case ast.Call(args=[*_, value]) if _last(node.func) in _CASTS:
                return self._cast(_last(node.func), self.of(value))
            case ast.Name():
                return self._of_name(node.id)
        raise _Unknown

    def _number(self, node: ast.expr) -> Any:
        value = self.of(node)
        if not isinstance(value, int | float):
            raise _Unknown
        return value

    def _of_key(self, key: str) -> Any:
        if key not in self._config:
            raise _Unknown
        return self._config[key]

    def _of_name(self, name: str) -> Any:
        values = self._assigned.get(name, [])
        if len(values) != 1 or name in self._seen:
            raise _Unknown
        self._seen.add(name)
        try:
            return self.of(values[0])
        finally:
            self._seen.discard(name)

    @staticmethod
    def _cast(name: str, value: Any) -> Any:
        kinds: dict[str, Callable[[Any], Any]] = {"float": float, "int": int, "str": str, "bool": bool}
        try:
            return kinds[name](value) if name in kinds else value
        except (TypeError, ValueError) as error:
            raise _Unknown from error
