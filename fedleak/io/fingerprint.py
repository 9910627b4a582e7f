"""Source fingerprint: both ends of a federation must run the same code."""

import hashlib
from functools import lru_cache
from pathlib import Path

import fedleak

PARTIES = ("attacks", "clients", "server")


@lru_cache(maxsize=1)
def source_fingerprint() -> str:
    """A short hash over every Python file of fedleak and its parties, the same in a checkout and in a wheel.

    Ray workers may import another copy of the package without a word, so the server sends this and clients compare.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_sources().items()):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _sources() -> dict[str, Path]:
    package, *elsewhere = (Path(folder) for folder in fedleak.__path__)
    found = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    for root in elsewhere:
        for party in PARTIES:
            found |= {path.relative_to(root).as_posix(): path for path in (root / party).rglob("*.py")}
    return found
