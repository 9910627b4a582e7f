"""A rule's text as words, numbers, strings and signs, each with its column."""

import re
from dataclasses import dataclass
from typing import Literal

from fedleak.errors import ConfigError

Kind = Literal["word", "number", "string", "sign", "end"]

PATTERN = re.compile(
    r"""\s*(?:
        (?P<word>[A-Za-z_]\w*(?:[-.]\w+)*)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>"[^"]*"|'[^']*')
      | (?P<sign><=|>=|==|!=|[<>=()\[\],+*-])
    )""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A piece of a rule; `column` counts from 1."""

    kind: Kind
    text: str
    column: int

    def __str__(self) -> str:
        return "the end of the rule" if self.kind == "end" else f"'{self.text}'"


def tokens_of(text: str, where: str) -> list[Token]:
    """The pieces of a rule, the last one `end`; `where` names the rule in what `ConfigError` says."""
    found: list[Token] = []
    place = 0
    while text[place:].strip():
        match = PATTERN.match(text, place)
        if match is None:
            raise ConfigError(f"{where}, {_unreadable(text, place)}")
        kind = next(kind for kind, value in match.groupdict().items() if value is not None)
        found.append(Token(kind=_kind(kind), text=match[kind], column=match.start(kind) + 1))
        place = match.end()
    return [*found, Token(kind="end", text="", column=len(text) + 1)]


def _kind(name: str) -> Kind:
    kinds: dict[str, Kind] = {"word": "word", "number": "number", "string": "string", "sign": "sign"}
    return kinds[name]


def _unreadable(text: str, place: int) -> str:
    rest = text[place:].lstrip()
    column = len(text) - len(rest) + 1
    if rest[0] in "\"'":
        return f"column {column}: a string begins here and never ends; close it with another {rest[0]}"
    return f"column {column}: expected a name, a number, a quoted string or an operator, got {rest[0]!r}"
