"""Fingerprints: of the source, which both ends of a federation must share; content addresses; file names."""

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import fedleak

PARTIES = ("attacks", "clients", "server")
LONGEST = 100
"""Characters of a file's name."""


@lru_cache(maxsize=1)
def source_fingerprint() -> str:
    """A short hash over every Python file of fedleak and its parties, the same in a checkout and in a wheel.

    Ray workers may import another copy of the package without a word, so the server sends this and clients compare.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_sources().items()):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def address_of(facts: Any) -> str:
    """A short digest of plain data."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def file_name(label: str) -> str:
    """A label as the name of a file: itself where it can be one, else with a digest that keeps it apart."""
    plain = re.sub(r"[^A-Za-z0-9._+=, -]", "_", label)
    return label if plain == label and len(label) <= LONGEST else f"{plain[: LONGEST - 9]}-{address_of(label)[:8]}"


def _sources() -> dict[str, Path]:
    package, *elsewhere = (Path(folder) for folder in fedleak.__path__)
    found = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    for root in elsewhere:
        for party in PARTIES:
            found |= {path.relative_to(root).as_posix(): path for path in (root / party).rglob("*.py")}
    return found
