"""The vault: what clients really trained on. Only clients write it, only scoring and verification read it."""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.errors import RecordingError
from fedleak.io.atomic import write_atomically
from fedleak.io.tensors import FACTS, beside, read_pair, write_pair
from fedleak.learning.batch import Batch
from fedleak.learning.facts import Device
from fedleak.learning.hidden import Hidden
from fedleak.learning.input_space import InputSpace
from fedleak.learning.secret_format import MASKED, SecretFormat
from fedleak.learning.space import space_from
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import NamedTensors

SECRET, HIDDEN = "secret.json", "hidden"


@dataclass(frozen=True, kw_only=True)
class PrivateBatch:
    """The examples of one client in one round, and how it really trained on them."""

    examples: Batch
    training: LocalTraining
    seed_key: tuple[int | str, ...]
    """What seeded the client's batch order, dropout and defenses: never on the wire, needed to recompute the update."""
    client: int
    round: int
    kept: NamedTensors = field(default_factory=dict)
    """What the client's defenses had kept of earlier rounds when this one began."""
    held: tuple[int, ...] = ()
    """How many examples of each class the client holds in all; empty in vaults of before."""
    device: Device = "cpu"
    """Where the client trained."""
    prepared: Batch | None = None
    """What defenses had made of the examples before any training; None: nothing."""

    @property
    def trained_on(self) -> Batch:
        """What the client took into the round."""
        return self.examples if self.prepared is None else self.prepared


PREPARED_INPUTS, PREPARED_LABELS = "prepared/inputs", "prepared/labels"
"""Names of the tensors."""


def stem_of(vault: Path, round: int, client: int) -> Path:
    """Where the truth of a client in a round lies, without suffix."""
    return vault / f"round-{round:04d}" / f"client-{client:04d}"


def deposit(vault: Path, truth: PrivateBatch) -> None:
    """Stores the truth of one client and round."""
    facts = {
        "format": "fedleak-truth-1",
        "client": truth.client,
        "round": truth.round,
        "dice": list(truth.seed_key),
        "training": asdict(truth.training),
        "held": list(truth.held),
        "device": truth.device,
        "space": truth.examples.space.facts(),
    }
    kept = {f"kept/{name}": value for name, value in truth.kept.items()}
    own = truth.prepared
    prepared = {} if own is None else {PREPARED_INPUTS: own.inputs, PREPARED_LABELS: own.labels}
    tensors = {"inputs": truth.examples.inputs, "labels": truth.examples.labels, **kept, **prepared}
    write_pair(stem_of(vault, truth.round, truth.client), tensors, facts)


def deposited(vault: Path) -> list[tuple[int, int]]:
    """Round and client of each truth that a vault holds."""
    paths = sorted(vault.glob("round-*/client-*.json"))
    return [(int(path.parent.name.removeprefix("round-")), int(path.stem.removeprefix("client-"))) for path in paths]


def withdraw(vault: Path, round: int, client: int) -> PrivateBatch:
    """Reads the truth of one client and round; raises `RecordingError` where it is missing or damaged."""
    stem = stem_of(vault, round, client)
    tensors, facts = read_pair(stem)
    try:
        space = space_from(facts["space"]) if "space" in facts else None
        prepared = PREPARED_INPUTS in tensors
        return PrivateBatch(
            examples=Batch(tensors["inputs"], tensors["labels"], space),
            prepared=Batch(tensors[PREPARED_INPUTS], tensors[PREPARED_LABELS], space) if prepared else None,
            training=LocalTraining.of(facts["training"]),
            seed_key=tuple(facts["dice"]),
            client=facts["client"],
            round=facts["round"],
            held=tuple(facts.get("held", ())),
            device=facts.get("device", "cpu"),
            kept={key.removeprefix("kept/"): value for key, value in tensors.items() if key.startswith("kept/")},
        )
    except (KeyError, TypeError) as error:
        raise RecordingError(f"{stem}.json is not the truth of a client ({error!r} is missing or wrong)") from error


# What trained for a model: a client's share once, and of each round which of it was used.


SHARES = "shares"
"""The folder of a vault that they lie in."""


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
        write_pair(stem, {"inputs": share.inputs, "labels": share.labels}, facts)
    used = list(range(len(share))) if chosen is None else chosen.tolist()
    write_atomically(vault / SHARES / f"client-{client:04d}-round-{round:04d}.json", json.dumps(used).encode())


def trained_until(
    vault: Path, round: int, cohort: Collection[int] | None = None, *, after: int | None = None
) -> dict[int, Batch]:
    """By client the examples that it trained on in any round up to this one; without clients that never did.

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
    return {client: _examples(vault, client, sorted(places)) for client, places in sorted(used.items())}


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


def _examples(vault: Path, client: int, places: list[int]) -> Batch:
    stem = _share(vault, client)
    tensors, facts = read_pair(stem)
    try:
        share = Batch(tensors["inputs"], tensors["labels"], space_from(facts["space"]))
        return share[torch.tensor(places, dtype=torch.int64)]
    except (KeyError, TypeError, IndexError) as error:
        raise RecordingError(f"{stem}.json is not the share of a client ({error!r} is missing or wrong)") from error


# The columns of each party, where clients hold columns of all examples.


def deposit_columns(vault: Path, party: int, columns: NamedTensors, space: InputSpace) -> None:
    """Stores once for all rounds what a party holds of every row: `inputs` and, of the active one, `labels`."""
    write_pair(columns_stem(vault, party), columns, {"party": party, "space": space.facts()})


def deposited_rows(vault: Path, places: Sequence[Sequence[int]]) -> Batch:
    """All rows in whole, each party's columns in their `places`; raises `RecordingError` where some are missing."""
    parts = [read_pair(beside(columns_stem(vault, party), FACTS)) for party in range(len(places))]
    try:
        labels, space = parts[0][0]["labels"], space_from(parts[0][1]["space"])
        inputs = torch.empty(len(labels), *space.shape)
        for own, (tensors, _) in zip(places, parts, strict=True):
            inputs[..., list(own)] = tensors["inputs"]
    except (KeyError, TypeError, RuntimeError, IndexError) as error:
        raise RecordingError(f"{vault}: expected the columns of every party ({error}); record it again") from error
    return Batch(inputs, labels, space)


def columns_stem(vault: Path, party: int) -> Path:
    """Where the columns of a party lie, without suffix."""
    return vault / f"columns-{party:04d}"


# The secret that a client was made to type into its text.


@dataclass(frozen=True, kw_only=True)
class TypedSecret:
    """A secret with the text around it, which is public."""

    format: SecretFormat
    secret: str

    def asked(self, masked: tuple[int, ...]) -> SecretFormat:
        """What an adversary is told who does not know some digits; none said: who knows none."""
        return self.format.masking(self.secret, masked)


def deposit_secret(vault: Path, typed: TypedSecret) -> None:
    """Stores the secret of a federation."""
    facts = {"before": typed.format.before, "after": typed.format.after, "secret": typed.secret}
    write_atomically(vault / SECRET, json.dumps(facts).encode())


def typed_secret(vault: Path) -> TypedSecret | None:
    """The secret of a federation, None where it has none; raises `RecordingError` where it is damaged."""
    path = vault / SECRET
    if not path.exists():
        return None
    try:
        facts = json.loads(path.read_bytes())
        secret = str(facts["secret"])
        format = SecretFormat(before=facts["before"], after=facts["after"], known=MASKED * len(secret))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is not the secret of a client ({error}); record it again") from error
    return TypedSecret(format=format, secret=secret)


# What tampered code hid of clients.


def deposit_hidden(vault: Path, client: int, tampering: str, hidden: Hidden) -> None:
    """Stores what a tampering hid of a client."""
    tensors = {name: value for name, value in vars(hidden).items() if value is not None}
    write_pair(vault / HIDDEN / tampering / f"client-{client:04d}", tensors, {})


def hidden_in(vault: Path, tampering: str) -> tuple[Hidden, ...]:
    """What a tampering hid, client after client; raises `RecordingError` where it is damaged."""
    return tuple(Hidden(**read_pair(path)[0]) for path in sorted((vault / HIDDEN / tampering).glob("client-*.json")))
