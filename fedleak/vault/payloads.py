"""Payloads in the vault: what tampered code hid of clients."""

from pathlib import Path

from fedleak.io.tensors import read_pair, write_pair
from fedleak.learning.hidden import Hidden

HIDDEN = "hidden"


def deposit_hidden(vault: Path, client: int, tampering: str, hidden: Hidden) -> None:
    """Stores what a tampering hid of a client."""
    tensors = {name: value for name, value in vars(hidden).items() if value is not None}
    write_pair(vault / HIDDEN / tampering / f"client-{client:04d}", tensors, {})


def hidden_in(vault: Path, tampering: str) -> tuple[Hidden, ...]:
    """What a tampering hid, client after client; raises `RecordingError` where it is damaged."""
    return tuple(Hidden(**read_pair(path)[0]) for path in sorted((vault / HIDDEN / tampering).glob("client-*.json")))
