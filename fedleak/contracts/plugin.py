"""Plug-ins: frozen dataclasses with a name, a paper and its citation, and the registry that finds them."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property, partial
from importlib.metadata import entry_points
from typing import Any, ClassVar, Generic, TypeVar, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fedleak.contracts.catalogue import ENTRY_POINTS, PARTS, bibliography
from fedleak.errors import ConfigError, did_you_mean, echo

_ARBITRARY = ConfigDict(arbitrary_types_allowed=True)


class Plugin:
    """A named algorithm; its hyper-parameters are keyword-only dataclass fields with the paper's defaults."""

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    """Link to the source that the implementation follows."""
    cites: ClassVar[str] = ""
    """Key of that source in `citations.bib`."""
    bibtex: ClassVar[str] = ""
    """BibTeX of that source, for plug-ins from outside: they need no entry in our file."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Members of the contract by the names that they once had: a plug-in written for those is told at registration."""

    @classmethod
    def citation(cls) -> str:
        """BibTeX of the source: the plug-in's own text, else the entry that it cites; empty where it has neither."""
        if cls.bibtex or not cls.cites:
            return cls.bibtex.strip()
        if cls.cites not in bibliography():
            raise ConfigError(f"'{cls.name}' cites '{cls.cites}', which citations.bib does not have; give its `bibtex`")
        return bibliography()[cls.cites]

    def options(self) -> dict[str, Any]:
        """The hyper-parameters, nested plug-ins included, in the form an experiment file has them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {key: plain(value) for key, value in values.items() if value is not None}


def require_current_names(kind: str, name: str, cls: type[Plugin]) -> None:
    """Raises where a class has a member under a name that the contract had for it before. An option may have it."""
    options: set[str] = {field.name for field in fields(cls)} if is_dataclass(cls) else set()
    for old, new in cls.renamed.items():
        if old not in options and any(old in vars(base) for base in cls.__mro__):
            raise ConfigError(f"{kind} '{name}' ({cls.__module__}) has '{old}', which is called '{new}' now: rename it")


PluginT = TypeVar("PluginT", bound=Plugin)
Registered = TypeVar("Registered", bound=Plugin)


class Registry(Generic[PluginT]):
    """The plug-ins of one kind, by name.

    `package` is the folder that is scanned with its sub-folders (each module registers itself on import); packages from
    outside name a module that does the same in the entry-point group `fedleak.plugins`. `renamed` has the plug-ins
    that once had other names, by these: experiments and runs of before name them so.
    """

    def __init__(self, kind: str, package: str, renamed: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.package = package
        self.renamed = renamed or {}
        self._classes: dict[str, type[PluginT]] = {}

    def register(self, name: str) -> Callable[[type[Registered]], type[Registered]]:
        """Decorator: makes a class available under `name`."""

        def add(cls: type[Registered]) -> type[Registered]:
            taken = self._classes.get(name)
            if taken is not None and (taken.__module__, taken.__qualname__) != (
                cls.__module__,
                cls.__qualname__,
            ):
                raise ConfigError(f"two {self.kind}s are called '{name}': {taken.__module__}, {cls.__module__}")
            require_current_names(self.kind, name, cls)
            cls.name = name
            self._classes[name] = cls  # type: ignore[assignment]
            return cls

        return add

    def __iter__(self) -> Iterator[type[PluginT]]:
        return (self._discovered[name] for name in sorted(self._discovered))

    def get(self, name: str, where: str = "") -> type[PluginT]:
        """The class called `name`, or once called so; `where` is the place in the user's input that names it."""
        name = self.renamed.get(name, name)
        if name not in self._discovered:
            prefix = f"{where}: " if where else ""
            raise ConfigError(f"{prefix}no {self.kind} is called '{name}'{did_you_mean(name, self._discovered)}")
        return self._classes[name]

    def build(self, name: str, options: Mapping[str, Any], where: str = "") -> PluginT:
        """An instance from a user's options, each checked against its field's type."""
        cls = self.get(name, where)
        known = _options(cls)  # type: ignore[arg-type]  # mypy takes the hash of an instance for that of the class
        values = {}
        for key, value in options.items():
            place = f"{where}.{key}" if where else key
            if key not in known:
                raise ConfigError(f"{place}: unknown field of {self.kind} '{name}'{did_you_mean(key, known)}")
            values[key] = self._parse(value, known[key], place)
        try:
            return cls(**values)
        except TypeError as error:
            missing = [field for field in known if f"'{field}'" in str(error)]
            if not missing:
                raise
            raise ConfigError(f"{where or name}: {self.kind} '{name}' needs {', '.join(missing)}") from error
        except ConfigError as error:
            raise ConfigError(f"{where or name}: {error}") from error

    def from_table(self, table: Mapping[str, Any], where: str = "") -> PluginT:
        """An instance from a table of an experiment, `{use = "name", ...}`."""
        if not isinstance(table, Mapping) or not isinstance(table.get("use"), str):
            raise ConfigError(
                f'{where}: expected a table such as {{use = "NAME"}} that names its {self.kind}, '
                f"got {echo(dict(table) if isinstance(table, Mapping) else table)}"
            )
        self.get(table["use"], f"{where}.use" if where else "")
        return self.build(table["use"], {key: value for key, value in table.items() if key != "use"}, where)

    def _parse(self, value: Any, option: "_Option", where: str) -> Any:
        if isinstance(value, Mapping) and "use" in value:
            value = self.from_table(value, where)
        if isinstance(value, str) and isinstance(option.hint, type) and issubclass(option.hint, Plugin):
            value = self.build(value, {}, where)  # a plug-in by name, with its defaults
        if isinstance(value, list):
            value = tuple(value)
        try:
            return option.read(value)
        except ValidationError as error:
            raise ConfigError(f"{where}: {explain(error)}") from error

    @cached_property
    def _discovered(self) -> dict[str, type[PluginT]]:
        for module in _modules_below(self.package):
            importlib.import_module(module)
        for entry in entry_points(group=ENTRY_POINTS):
            entry.load()
        return self._classes


# Made once for each class: a chain is built for every row of a run, and an adapter takes longer to make than to use.
@cache
def _options(cls: type[Plugin]) -> "dict[str, _Option]":
    """What a plug-in's table may say, in the order of its fields."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: _Option(_unbracketed(hints[field.name])) for field in fields(cls)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Option:
    """The type of an option, and what checks a value of it."""

    hint: Any

    @cached_property
    def read(self) -> Callable[..., Any]:
        return partial(TypeAdapter(self.hint, config=_ARBITRARY).validate_python, strict=True)


def _unbracketed(hint: Any) -> Any:
    """A plug-in's class without what stands in brackets behind it, which no value can be checked against."""
    origin = get_origin(hint)
    return origin if isinstance(origin, type) and issubclass(origin, Plugin) else hint


def plain(value: Any) -> Any:
    """Plug-ins as `{use = name, ...}` and tuples as lists: what TOML and JSON can hold."""
    if isinstance(value, Plugin):
        return {"use": value.name, **value.options()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def explain(error: ValidationError) -> str:
    """The first complaint of pydantic as one clause: what was expected, and what came."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"expected {message}, got {echo(first['input'])}"


def _modules_below(package: str) -> Iterator[str]:
    """The modules of a package and of its sub-packages, but for `parts`: pieces that plug-ins are made of."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        name = f"{package}.{module.name}"
        if not module.ispkg:
            yield name
        elif module.name != PARTS:
            yield from _modules_below(name)
