"""JSON Lines: read whole, each row parsed, or refused in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fedleak.errors import RecordingError

AnyRow = TypeVar("AnyRow")


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
    except (ValueError, TypeError, OverflowError, RecordingError) as error:
        raise _damaged(path, number, str(error).partition("\n")[0]) from error
    return rows


def _object(line: str) -> dict[str, Any]:
    facts = json.loads(line)
    if not isinstance(facts, dict):
        raise TypeError(f"expected an object, got {type(facts).__name__}")
    return facts


def _damaged(path: Path, number: int, why: str) -> RecordingError:
    where = f"line {number}: {why}" if number else why
    return RecordingError(f"{path} is damaged ({where}); run the experiment again")
