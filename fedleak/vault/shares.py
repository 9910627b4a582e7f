"""Shares in the vault: what trained for a model; a client's share once, of each round which of it was used, and what
tampered code hid of it."""

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.errors import RecordingError
from fedleak.io.atomic import write_atomically
from fedleak.io.tensors import FACTS, beside, read_pair, write_pair
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden
from fedleak.learning.space import space_from

SHARES = "shares"
"""The folder of a vault that they lie in."""
HIDDEN = "hidden"
"""The folder of what was hidden in models."""


def shares_in(vault: Path) -> list[Path]:
    """All files that tell what trained for models."""
    return sorted((vault / SHARES).glob("client-*"))


def deposit_use(vault: Path, share: Batch, client: int, round: int, chosen: Int[Tensor, " chosen"] | None) -> None:
    """Stores a client's share once, and which of it a round used: None for all, round 0 for those before the first.

    What a run of before left there of another share goes.
    """
    stem = _share(vault, client)
    digest = hashlib.blake2b(share.inputs.numpy().tobytes() + share.labels.numpy().tobytes()).hexdigest()
    known = beside(stem, FACTS)
    if not known.exists() or json.loads(known.read_bytes()).get("digest") != digest:
        for stale in _uses(vault, client):
            stale.unlink()
        facts = {"space": share.space.facts(), "digest": digest}
        write_pair(stem, {"inputs": share.inputs, "labels": share.labels}, facts, private=vault)
    used = list(range(len(share))) if chosen is None else chosen.tolist()
    place = vault / SHARES / f"client-{client:04d}-round-{round:04d}.json"
    write_atomically(place, json.dumps(used).encode(), private=vault)


def trained_until(
    vault: Path, round: int, cohort: Collection[int] | None = None, *, after: int | None = None
) -> dict[int, Batch]:
    """By client the examples that it trained on in any round up to this one, as `used_until` has them."""
    used = used_until(vault, round, cohort, after=after)
    return {client: examples_at(vault, client, places) for client, places in used.items()}


def used_until(
    vault: Path, round: int, cohort: Collection[int] | None = None, *, after: int | None = None
) -> dict[int, list[int]]:
    """By client which of its share it trained on in any round up to this one; without clients that never did.

    Of the clients of a cohort alone, where it is given: another run may have left those of more. Of rounds after
    another one alone, where that is given.

    Raises `RecordingError` where that was not kept or is damaged.
    """
    used: dict[int, set[int]] = {}
    for path in _uses(vault):
        client, when = (int(part) for part in re.findall(r"\d+", path.stem))
        if when <= round and (after is None or when > after) and (cohort is None or client in cohort):
            used.setdefault(client, set()).update(_places(path))
    if not used:
        since = "" if after is None else f" since round {after}"
        raise RecordingError(f"{vault}: nothing tells what the model after round {round} was trained on{since}")
    return {client: sorted(places) for client, places in sorted(used.items())}


def _share(vault: Path, client: int) -> Path:
    return vault / SHARES / f"client-{client:04d}"


def _uses(vault: Path, client: int | None = None) -> list[Path]:
    """A file for each round in which a client, or any of them, used some of its share."""
    who = "*" if client is None else f"{client:04d}"
    return sorted((vault / SHARES).glob(f"client-{who}-round-*.json"))


def _places(path: Path) -> list[int]:
    try:
        return [int(place) for place in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError) as error:
        raise RecordingError(f"{path} is not the places of a round ({error}); record it again") from error


def examples_at(vault: Path, client: int, places: list[int]) -> Batch:
    """Some of a client's share; raises `RecordingError` where that was not kept or is damaged."""
    try:
        return share_in(vault, client)[torch.tensor(places, dtype=torch.int64)]
    except IndexError as error:
        stem = _share(vault, client)
        raise RecordingError(f"{stem}.json is not the share of a client ({error!r} is missing or wrong)") from error


def share_in(vault: Path, client: int) -> Batch:
    """All examples of a client; raises `RecordingError` where they were not kept or are damaged."""
    stem = _share(vault, client)
    tensors, facts = read_pair(stem)
    try:
        return Batch(tensors["inputs"], tensors["labels"], space_from(facts["space"]))
    except (KeyError, TypeError) as error:
        raise RecordingError(f"{stem}.json is not the share of a client ({error!r} is missing or wrong)") from error


def deposit_hidden(vault: Path, client: int, tampering: str, hidden: Hidden) -> None:
    """Stores what a tampering hid of a client."""
    tensors = {name: value for name, value in vars(hidden).items() if value is not None}
    write_pair(vault / HIDDEN / tampering / f"client-{client:04d}", tensors, {}, private=vault)


def hidden_files(vault: Path) -> list[Path]:
    """All files that tell what tampered code hid."""
    return sorted((vault / HIDDEN).glob("*/client-*"))


def hidden_in(vault: Path, tampering: str) -> tuple[Hidden, ...]:
    """What a tampering hid, client after client; raises `RecordingError` where it is damaged."""
    return tuple(Hidden(**read_pair(path)[0]) for path in sorted((vault / HIDDEN / tampering).glob("client-*.json")))
