"""Content addresses: the same facts have the same address on any machine."""

import hashlib
import json
from typing import Any


def address_of(facts: Any) -> str:
    """A short digest of plain data."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
