"""Numbers and names as words: the same figure reads the same everywhere on the page."""

import math
from collections.abc import Iterable, Mapping

from fedleak.words import figure

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
SHORT = 4
"""Characters of a unit that is written after each figure; longer ones are said once."""


def number(value: float) -> str:
    """As `fedleak.words.figure`, set in type: a true minus, a dash where there is nothing, no powers of ten."""
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
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"


def listed(words: Iterable[str], last: str = "and") -> str:
    """`a, b and c`."""
    *most, final = tuple(words) or ("",)
    return f"{', '.join(most)} {last} {final}" if most else final


def opening(sentence: str) -> str:
    """The sentence with a capital at its start."""
    return sentence[:1].upper() + sentence[1:]


def options_words(options: Mapping[str, object]) -> str:
    """The options of a plug-in in brackets, nothing where it has none."""
    return f" ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else ""
