"""Files of rows, one JSON object a line: read whole, each row checked, or refused in one sentence."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fedleak.errors import RecordingError

AnyRow = TypeVar("AnyRow")
LARGEST = 2**63
"""Whole numbers beyond this are no seed, round or count of ours."""
Kinds = Mapping[str, tuple[type, ...]]
"""The types that a field may have in the file, to the letter: true is no number."""
TEXT, FLAG, WHOLE, NUMBER = (str,), (bool,), (int,), (int, float)
FIGURE = (int, float, type(None))
WORDS = (str, type(None))


def read_rows(path: Path, parse: Callable[[dict[str, Any]], AnyRow]) -> list[AnyRow]:
    """The rows of a file; raises `RecordingError` where it is missing or damaged, with the number of the line."""
    number = 0
    rows: list[AnyRow] = []
    try:
        for line in path.read_text().splitlines():
            number += 1
            rows.append(parse(_object(line)))
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}; is it a run folder?") from error
    except RecursionError as error:
        raise _damaged(path, number, "nested too deeply") from error
    except KeyError as error:
        raise _damaged(path, number, f"{error.args[0]} is missing") from error
    except (ValueError, TypeError, OverflowError, RecordingError) as error:
        raise _damaged(path, number, str(error).partition("\n")[0]) from error
    return rows


def check_kinds(facts: Mapping[str, Any], kinds: Kinds) -> None:
    """Raises `TypeError` for the first field of another type than it should have, `KeyError` for one that is gone."""
    for name, kind in kinds.items():
        value = facts[name]
        if type(value) not in kind:
            wanted = " or ".join("null" if one is type(None) else one.__name__ for one in kind)
            raise TypeError(f"{name}: expected {wanted}, got {type(value).__name__}")
        if type(value) is int and not -LARGEST <= value < LARGEST:
            raise TypeError(f"{name}: expected a number of at most 64 bits, got a longer one")


def check_figures(facts: Mapping[str, Any], name: str) -> None:
    """Raises `TypeError` where a field is no list of figures."""
    if any(type(value) not in FIGURE for value in facts[name]):
        raise TypeError(f"{name}: expected a list of numbers and null, got other items")


def check_setting(setting: Mapping[str, Any]) -> None:
    """Raises `TypeError` where a setting is no table of scalars."""
    for key, value in setting.items():
        if type(value) not in (bool, int, float, str):
            raise TypeError(f"setting.{key}: expected a scalar, got {type(value).__name__}")


def check_choice(facts: Mapping[str, Any], name: str, choices: Sequence[str]) -> None:
    """Raises `TypeError` where a field is none of its words."""
    if facts[name] not in choices:
        raise TypeError(f"{name}: expected {' or '.join(choices)}, got {str(facts[name])!r:.60}")


def check_folders(facts: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raises `TypeError` where a name of a folder leads out of the run: files are read from where it points."""
    for name in names:
        if facts[name] in (".", "..") or "/" in facts[name] or "\0" in facts[name]:
            raise TypeError(f"{name}: expected the plain name of a folder, got {facts[name]!r:.60}")


def _object(line: str) -> dict[str, Any]:
    facts = json.loads(line)
    if not isinstance(facts, dict):
        raise TypeError(f"expected an object, got {type(facts).__name__}")
    return facts


def _damaged(path: Path, number: int, why: str) -> RecordingError:
    where = f"line {number}: {why}" if number else why
    return RecordingError(f"{path} is damaged ({where}); run the experiment again")
