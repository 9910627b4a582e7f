"""Formatting: figures, settings and lists as words, the same in tables, reports and gates; foreign text escaped."""

import math
import re
from collections.abc import Iterable, Mapping

from fedleak.settings.base import Scalar

STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What steers a terminal: control characters, and those that turn the direction of writing."""
MARKUP = re.compile(r"[\\`*\[\]<>|&~#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What Markdown may take for markup; an underscore inside a word is none."""
RAISED = re.compile(r"^[A-Z]\w*(Error|Refused|Applicable): ")
"""The kind of error that a reason begins with."""
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
SHORT = 4
"""Characters of a unit that is written after each figure; longer ones are said once."""


def figure(value: float) -> str:
    """Three significant places, as short as they go; `-` for what was not measured."""
    if math.isnan(value):
        return "-"
    size = abs(value)
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.01 or size == 0 else f"{value:.0e}".replace("e-0", "e-")


def setting_in_words(setting: Mapping[str, Scalar]) -> str:
    """`small batches, batch_size=4`: a combination by its name, other settings by the last part of their key."""
    named = {key: "none" if value == "" else str(value) for key, value in setting.items()}
    return ", ".join(value if key == "vary" else f"{key.rpartition('.')[2]}={value}" for key, value in named.items())


def number(value: float) -> str:
    """As `fedleak.formatting.figure`, set in type: a true minus, a dash where there is nothing, no powers of ten."""
    if math.isnan(value):
        return DASH
    text = f"{value:.1g}" if 1e-4 < abs(value) < 0.01 else figure(value)
    return text.replace("-", MINUS)


def measured(value: float, unit: str) -> str:
    """A figure with its unit, where that is short enough to repeat."""
    return f"{number(value)} {unit}" if unit and len(unit) <= SHORT and not math.isnan(value) else number(value)


def signed(value: float, unit: str) -> str:
    """A difference: its sign is written even where it is plus."""
    return f"+{measured(value, unit)}" if value > 0 else measured(value, unit)


def percent(value: float) -> str:
    """A share; a small one is not rounded to nothing."""
    if math.isnan(value):
        return DASH
    return "< 1%" if 0 < value < 0.01 else f"{100 * value:.0f}%"


def p_value(value: float) -> str:
    """A p-value, never a string of noughts."""
    if math.isnan(value):
        return DASH
    if value < 0.001:
        return "< 0.001"
    places = 4 if 0.0495 <= value < 0.0505 else 3 if value < 0.1 else 2
    return f"{value:.{places}f}"


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count:,} {noun if count == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """`images`, `classes`."""
    return f"{noun}{'es' if noun.endswith('s') else 's'}"


def listed(words: Iterable[str], last: str = "and") -> str:
    """`a, b and c`."""
    *most, final = tuple(words) or ("",)
    return f"{', '.join(most)} {last} {final}" if most else final


def opening(sentence: str) -> str:
    """The sentence with a capital at its start."""
    return sentence[:1].upper() + sentence[1:]


def unraised(reason: str) -> str:
    """A reason without the kind of error that it begins with."""
    return RAISED.sub("", reason)


def options_words(options: Mapping[str, object]) -> str:
    """The options of a plug-in in brackets, nothing where it has none."""
    return f" ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else ""


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
