"""Text of others, such as labels and paths, made harmless where it is shown: on a terminal, in Markdown."""

import re

STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What steers a terminal: control characters, and those that turn the direction of writing."""
MARKUP = re.compile(r"[\\`*\[\]<>|&~#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What Markdown may take for markup; an underscore inside a word is none."""


def printable(text: str) -> str:
    """Without what steers a terminal; lines and tabs stay."""
    return STEERING.sub("", text)


def escaped(text: str) -> str:
    """Text as Markdown that shows it as it is, on one line, also in a cell of a table."""
    return MARKUP.sub(r"\\\g<0>", _line(text))


def code(text: str) -> str:
    """Text as a code span, fenced by more backticks than stand together in it; in a table bars must be escaped."""
    line = _line(text)
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def _line(text: str) -> str:
    return printable(" ".join(text.splitlines()))
