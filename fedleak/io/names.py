"""Content addresses, and labels as the names of files: the same facts have the same name on any machine."""

import hashlib
import json
import re
from typing import Any

LONGEST = 100
"""Characters of a file's name."""


def address_of(facts: Any) -> str:
    """A short digest of plain data."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def file_name(label: str) -> str:
    """A label as the name of a file: itself where it can be one, else with a digest that keeps it apart."""
    plain = re.sub(r"[^A-Za-z0-9._+=, -]", "_", label)
    return label if plain == label and len(label) <= LONGEST else f"{plain[: LONGEST - 9]}-{address_of(label)[:8]}"
