"""Tensor files: a pair of safetensors and facts in JSON, written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from fedleak.errors import RecordingError
from fedleak.io.atomic import write_atomically
from fedleak.learning.weights import NamedTensors

FACTS, TENSORS = ".json", ".safetensors"


def beside(stem: Path, suffix: str) -> Path:
    """A file of a pair; a dot in the stem, as in `learning_rate=0.1`, is no suffix."""
    return stem.with_name(stem.name + suffix)


def write_pair(stem: Path, tensors: NamedTensors, facts: Mapping[str, Any], *, private: Path | None = None) -> Path:
    """Writes `stem.safetensors`, then `stem.json`; the JSON file is there only when both are whole.

    `private`: as of `write_atomically`.
    """
    content = (json.dumps(facts, indent=1) + "\n").encode()  # first: what cannot be said is not half written
    saved = save({k: v.contiguous() for k, v in tensors.items()})
    write_atomically(beside(stem, TENSORS), saved, private=private)
    return write_atomically(beside(stem, FACTS), content, private=private)


def read_pair(path: Path) -> tuple[NamedTensors, dict[str, Any]]:
    """Reads both files of the pair that `path` (either file, or their stem) belongs to."""
    stem = path.with_suffix("") if path.suffix in {FACTS, TENSORS} else path
    try:
        facts = json.loads(beside(stem, FACTS).read_bytes())
        tensors = load(beside(stem, TENSORS).read_bytes())
    except OSError as error:
        raise RecordingError(f"cannot read {error.filename or stem}: {error.strerror}") from error
    except (SafetensorError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordingError(f"{stem}.* is truncated or not written by fedleak ({error}); record it again") from error
    if not isinstance(facts, dict):
        raise RecordingError(
            f"{stem}.json: expected an object with the facts of a recording, got {type(facts).__name__}"
        )
    return tensors, facts
