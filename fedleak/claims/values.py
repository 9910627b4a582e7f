"""Values of expressions in source that is read and never run, as far as they can be worked out."""

import ast
import operator
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, cast

_BINARY: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow,
}  # fmt: skip
_CASTS: Final = ("float", "int", "str", "bool", "cast")
_SCOPES: Final = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp, ast.ListComp, ast.SetComp,
    ast.DictComp,
)  # fmt: skip
_MOST_POWER = 1000


class UnknownError(Exception):
    """A value that only running the code would tell."""


def last_part(node: ast.AST) -> str:
    """The last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _changed(node: ast.AST) -> str:
    """The name of the mapping that a node changes."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="update" | "setdefault" | "pop")):
            return name
    return ""


class _Scope:
    """Names of a module, a function or a class: how often each is bound, and to what where that can be read."""

    def __init__(self, within: "_Scope | None", *, of_class: bool) -> None:
        self.within, self.of_class = within, of_class
        self.bound: Counter[str] = Counter()
        self.values: dict[str, ast.expr] = {}

    def holder(self, name: str) -> "_Scope | None":
        """The scope that a name is of here; that of a class is not seen from its methods."""
        scope: _Scope | None = self
        while scope is not None and (name not in scope.bound or (scope.of_class and scope is not self)):
            scope = scope.within
        return scope

    def bind(self, node: ast.AST) -> None:
        """Counts what a node binds, by any of Python's ways."""
        match node:
            case ast.Name(ctx=ast.Store() | ast.Del()):
                self.bound[node.id] += 1
            case ast.arg():
                self.bound[node.arg] += 1
            case ast.alias():
                self.bound[(node.asname or node.name).split(".")[0]] += 1
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                self.bound[name] += 1
            case ast.Assign(targets=[target]):
                self._assign(target, node.value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, own in zip(target.elts, value.elts, strict=True):
                self._assign(one, own)


class Values:
    """What expressions of a file come to: constants, names that are given one value, keys of the run config."""

    def __init__(self, tree: ast.AST, config: Mapping[str, Any]) -> None:
        self._config = config
        self._scopes: dict[int, _Scope] = {}
        self._shared: set[str] = set()
        """Names that functions change outside themselves, and those of mappings that are changed after."""
        self._seen: set[int] = set()
        self._enter(tree, _Scope(None, of_class=False))

    def _enter(self, node: ast.AST, scope: _Scope) -> None:
        for child in ast.iter_child_nodes(node):
            own = _Scope(scope, of_class=isinstance(child, ast.ClassDef)) if isinstance(child, _SCOPES) else scope
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                scope.bound[child.name] += 1
            elif isinstance(child, ast.Global | ast.Nonlocal):
                self._shared.update(child.names)
            elif changed := _changed(child):
                self._shared.add(changed)
            own.bind(child)
            self._scopes[id(child)] = own
            self._enter(child, own)

    def of(self, node: ast.expr) -> Any:
        """The value; raises `UnknownError`."""
        match node:
            case ast.Constant():
                return node.value
            case ast.UnaryOp(op=ast.USub()):
                return -self._number(node.operand)
            case ast.BinOp() if type(node.op) in _BINARY:
                left, right = self._number(node.left), self._number(node.right)
                if isinstance(node.op, ast.Pow) and abs(right) > _MOST_POWER:
                    raise UnknownError
                try:
                    return _BINARY[type(node.op)](left, right)
                except (ArithmeticError, ValueError) as error:
                    raise UnknownError from error
            case ast.List() | ast.Tuple():
                return [self.of(one) for one in node.elts]
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                return self._item(node.value, key, None)
            case ast.Call(func=ast.Attribute(value=base, attr="get"), args=[ast.Constant(value=str(key)), *rest]):
                return self._item(base, key, rest[0] if rest else None)
            case ast.Call(args=[*_, value]) if last_part(node.func) in _CASTS:
                return self._cast(last_part(node.func), self.of(value))
            case ast.Name():
                return self._named(node, self.of)
        raise UnknownError

    def items(self, node: ast.expr) -> dict[str, ast.expr]:
        """The expressions in a mapping that is written out, by their keys; raises `UnknownError`."""
        match node:
            case ast.Dict():
                keys = [one.value for one in node.keys if isinstance(one, ast.Constant)]
                if len(keys) == len(node.keys):
                    return {str(key): one for key, one in zip(keys, node.values, strict=True)}
            case ast.Call(func=ast.Name(id="dict"), args=[]) if all(one.arg for one in node.keywords):
                return {str(one.arg): one.value for one in node.keywords}
            case ast.Name():
                found: dict[str, ast.expr] = self._named(node, self.items)
                return found
        raise UnknownError

    def _item(self, base: ast.expr, key: str, default: ast.expr | None) -> Any:
        """What a mapping has under a key: one that is written out, the run config, or what may well be that."""
        try:
            written = self.items(base)
        except UnknownError:
            likely = self._is_config(base)
            if likely != "no" and key in self._config:
                return self._config[key]
            written = {}
            default = default if likely == "yes" else None
        value = written.get(key, default)
        if value is None:
            raise UnknownError
        return self.of(value)

    def _is_config(self, base: ast.expr) -> Literal["yes", "maybe", "no"]:
        """Whether an expression is the run config: made of it, or of nothing else that can be seen here."""
        if isinstance(base, ast.Subscript):
            return "no"
        if any(last_part(one) == "run_config" for one in ast.walk(base)):
            return "yes"
        if isinstance(base, ast.Attribute):
            return "no" if base.attr == "environ" else "maybe"
        if not isinstance(base, ast.Name):
            return "no"
        scope = self._scopes[id(base)].holder(base.id)
        if scope is None or base.id not in scope.values:
            return "maybe"
        try:
            return cast(Literal["yes", "maybe", "no"], self._named(base, self._is_config))
        except UnknownError:
            return "no"

    def _number(self, node: ast.expr) -> Any:
        value = self.of(node)
        if not isinstance(value, int | float):
            raise UnknownError
        return value

    def _named(self, node: ast.Name, read: Callable[[ast.expr], Any]) -> Any:
        """What is read of the one value that a name has."""
        scope = self._scopes[id(node)].holder(node.id)
        value = None if scope is None or scope.bound[node.id] != 1 else scope.values.get(node.id)
        if value is None or node.id in self._shared or id(value) in self._seen:
            raise UnknownError
        self._seen.add(id(value))
        try:
            return read(value)
        finally:
            self._seen.discard(id(value))

    @staticmethod
    def _cast(name: str, value: Any) -> Any:
        kinds: dict[str, Callable[[Any], Any]] = {"float": float, "int": int, "str": str, "bool": bool}
        try:
            return kinds[name](value) if name in kinds else value
        except (TypeError, ValueError) as error:
            raise UnknownError from error
