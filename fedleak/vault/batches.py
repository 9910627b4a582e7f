"""Private batches: what clients really trained on. Only clients write it, only scoring and verification read it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from fedleak.errors import RecordingError
from fedleak.io.tensors import read_pair, write_pair
from fedleak.learning.batch import Batch
from fedleak.learning.facts import Device
from fedleak.learning.poisson import reported_examples
from fedleak.learning.space import space_from
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import NamedTensors
from fedleak.vault.shares import share_in


@dataclass(frozen=True, kw_only=True)
class PrivateBatch:
    """The examples of one client in one round, and how it really trained on them: of Poisson samples maybe none."""

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
    planted: int = 0
    """How many public examples went to clients by coins, all of them together."""
    device: Device = "cpu"
    """Where the client trained."""
    prepared: Batch | None = None
    """What defenses had made of the examples before any training; None: nothing."""

    tampered: "KnownToCode | None" = None
    """What code that tampered knew beside; None: it was clean."""

    @property
    def trained_on(self) -> Batch:
        """What the client took into the round."""
        return self.examples if self.prepared is None else self.prepared

    @property
    def reported(self) -> int:
        """How many examples the client said that it trained on."""
        return reported_examples(len(self.trained_on), self.training)


@dataclass(frozen=True, kw_only=True)
class KnownToCode:
    """What tampered code knew of a client and its place, needed to recompute what it sent."""

    share: Batch
    """All examples of the client, which lie where those of models do."""
    clients: int
    weight: float
    rounds: int


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
        "planted": truth.planted,
        "device": truth.device,
        "space": truth.examples.space.facts(),
    }
    if truth.tampered is not None:
        facts["tampered"] = {name: getattr(truth.tampered, name) for name in ("clients", "weight", "rounds")}
    kept = {f"kept/{name}": value for name, value in truth.kept.items()}
    own = truth.prepared
    prepared = {} if own is None else {PREPARED_INPUTS: own.inputs, PREPARED_LABELS: own.labels}
    tensors = {"inputs": truth.examples.inputs, "labels": truth.examples.labels, **kept, **prepared}
    write_pair(stem_of(vault, truth.round, truth.client), tensors, facts, private=vault)


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
            planted=facts.get("planted", 0),
            device=facts.get("device", "cpu"),
            tampered=KnownToCode(share=share_in(vault, client), **facts["tampered"]) if "tampered" in facts else None,
            kept={key.removeprefix("kept/"): value for key, value in tensors.items() if key.startswith("kept/")},
        )
    except (KeyError, TypeError) as error:
        raise RecordingError(f"{stem}.json is not the truth of a client ({error!r} is missing or wrong)") from error
