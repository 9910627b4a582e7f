"""Runs the federation of one defense, once: a finished one is found again by its address."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fedleak.campaign.address import experiment_facts
from fedleak.campaign.folder import RunFolder
from fedleak.campaign.plan import federation_address
from fedleak.errors import OutputError
from fedleak.experiment import Experiment
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import ClientFailure
from fedleak.federation.plan import FederationPlan
from fedleak.recording import find_recordings
from fedleak.results import AGGREGATE, Who
from fedleak.settings import PlanSettings
from fedleak.tensorfile import write_atomically

Engine = Literal["loopback", "ray"]


@dataclass(frozen=True, kw_only=True)
class Federated:
    """What a federation left: the messages to attack, and the clients that sent none."""

    messages: list[tuple[int, Who]]
    """Round and sender, in the order of the results."""
    failures: list[ClientFailure]
    seconds: float
    evaluation: dict[int, dict[str, float]]
    reused: bool


def federate(
    experiment: Experiment, folder: RunFolder, defense: str, engine: Engine, listener: Callable[[int, int], None]
) -> Federated:
    """The federation of one defense: reused where it is there, else run. Raises what `run_federation` raises."""
    address = federation_address(experiment, defense)
    marker = folder.recordings(defense) / "federation.json"
    found = _reusable(marker, address)
    if found is not None:
        return found
    _discard(folder.recordings(defense), folder.vault(defense))
    report = run_federation(_plan(experiment, folder, defense), engine, listener)
    facts = {
        "address": address,
        "messages": [list(message) for message in _messages(folder.recordings(defense))],
        "failures": [asdict(failure) for failure in report.failures],
        "seconds": report.seconds,
        "evaluation": report.evaluation,
    }
    write_atomically(marker, (json.dumps(facts, indent=1) + "\n").encode())
    return _federated(facts, reused=False)


def _plan(experiment: Experiment, folder: RunFolder, defense: str) -> FederationPlan:
    chain = next(row["chain"] for row in experiment_facts(experiment)["defenses"] if row["name"] == defense)
    settings = {name: getattr(experiment, name) for name in PlanSettings.model_fields}
    return FederationPlan(
        **settings,
        defense=defense,
        chain=tuple(chain),
        recordings=str(folder.recordings(defense).resolve()),
        vault=str(folder.vault(defense).resolve()),
    )


def _messages(recordings: Path) -> list[tuple[int, Who]]:
    """The messages below a folder by round, then client, the aggregate last."""
    found: list[tuple[int, Who]] = []
    for path in find_recordings(recordings):
        who: Who = AGGREGATE if path.stem == AGGREGATE else int(path.stem.removeprefix("client-"))
        found.append((int(path.parent.name.removeprefix("round-")), who))
    return sorted(found, key=order_of)


def order_of(message: tuple[int, Who]) -> tuple[int, bool, int]:
    """Sorts messages by round, then client, the aggregate last."""
    round, who = message
    return (round, who == AGGREGATE, 0 if who == AGGREGATE else who)


def _reusable(marker: Path, address: str) -> Federated | None:
    """The federation that an earlier run left, where it is the same one and its recordings are still there."""
    try:
        facts = json.loads(marker.read_bytes())
        found = _federated(facts, reused=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # A client that failed may do better the next time, so such a federation is not finished.
    whole = facts["address"] == address and not found.failures
    return found if whole and _messages(marker.parent) == found.messages else None


def _federated(facts: dict[str, object], *, reused: bool) -> Federated:
    plain = json.loads(json.dumps(facts))
    return Federated(
        messages=[(round, who) for round, who in plain["messages"]],
        failures=[ClientFailure(**failure) for failure in plain["failures"]],
        seconds=plain["seconds"],
        evaluation={int(round): values for round, values in plain["evaluation"].items()},
        reused=reused,
    )


def _discard(*folders: Path) -> None:
    for folder in folders:
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise OutputError(f"cannot replace {folder}: {error.strerror}; choose another --out") from error
