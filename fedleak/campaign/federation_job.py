"""Federation job: runs one point under one defense, once; a finished federation is found again by its address."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from traceback import format_exception

from fedleak import progress
from fedleak.campaign.plan import MessageKey, expected_messages, sender_that_failed, whole_address
from fedleak.errors import FederationError, FedleakError, OutputError, RecordingError, sentence
from fedleak.experiment.campaign import Point
from fedleak.experiment.canonical import training_tables
from fedleak.experiment.experiment import NamedDefense
from fedleak.federation.engine import Engine, run_federation
from fedleak.federation.outcome import ClientFailure, Cost, Evaluation, Outcome, outcome_so_far
from fedleak.federation.plan import EVERYTHING, FederationPlan, Recorded
from fedleak.io.atomic import discard, write_atomically
from fedleak.io.tensors import FACTS, TENSORS, beside
from fedleak.recording.diary import LINES, columns_files
from fedleak.recording.files import find_recordings
from fedleak.results.schema import ACTIVE, AGGREGATE, MODEL, RELAY, Who
from fedleak.runs.folder import RunFolder, stem_name
from fedleak.settings.federation import PlanSettings, UtilitySettings
from fedleak.statistics.group import SENDERS, sender_of
from fedleak.vault.alarms import RaisedAlarm, raised_alarms
from fedleak.vault.batches import stem_of
from fedleak.vault.columns import columns_stem
from fedleak.vault.model_figures import ModelFigures, measured_figures
from fedleak.vault.secrets import SECRET
from fedleak.vault.shares import SHARES, hidden_files, shares_in


@dataclass(frozen=True, kw_only=True)
class Federation:
    """What a worker needs to know to run a federation."""

    root: Path
    point: Point
    defense: NamedDefense
    """The first of those that are trained under in the same way."""
    engine: Engine
    records: tuple[Recorded, ...] = EVERYTHING

    @property
    def key(self) -> tuple[str, str]:
        """Settings and defense: points that share them share the federation."""
        return self.point.federation, self.defense.name

    @property
    def twin(self) -> tuple[str, str] | None:
        """The key of the one that is run beside it with clean code; None where nobody tampers."""
        return None if self.point.twin is None else (self.point.twin, self.defense.name)

    @property
    def title(self) -> str:
        """Its defense, and its settings where they vary."""
        return " ".join(filter(None, [self.defense.name, self.point.federation]))

    @property
    def recordings(self) -> Path:
        """Where the server records."""
        return RunFolder(self.root).recordings(self.defense.name, self.point.federation)

    @property
    def vault(self) -> Path:
        """Where the clients keep the truth."""
        return RunFolder(self.root).vault(self.defense.name, self.point.federation)

    @property
    def marker(self) -> Path:
        """The file that says that the federation is over, written last."""
        return self.recordings / "federation.json"


@dataclass(frozen=True, kw_only=True)
class Federated:
    """What a federation left: the messages to attack, and the clients that sent none."""

    messages: dict[MessageKey, str]
    """In the order of the results, each with a digest of what was recorded: what a cell depends on."""
    failures: list[ClientFailure]
    seconds: float
    evaluation: Evaluation
    costs: Mapping[int, Cost] = field(default_factory=dict)
    """By round."""
    figures: tuple[ModelFigures, ...] = ()
    alarms: tuple[RaisedAlarm, ...] = ()
    """What clients' checks saw, by round, then client."""
    reused: bool = False
    error: FedleakError | None = None
    """What ended it before its time; its messages are those of the rounds before."""
    unsent: Mapping[MessageKey, str] = field(default_factory=dict)
    """Messages that there would have been without that error, each with the reason."""
    traceback: str = ""
    """Of an error that is not fedleak's own: a bug in an app, a strategy, a plug-in."""


def run_federation_of(federation: Federation) -> Federated:
    """Runs it, whatever was there before. One that breaks down is a result too; only a full disk is raised."""
    discard(federation.recordings, federation.vault)
    started = time.monotonic()
    try:
        report = run_federation(_plan(federation), federation.engine, progress.report)
    except OutputError:
        raise
    except FedleakError as error:
        return broken_down(federation, error, time.monotonic() - started)
    except Exception as error:  # noqa: BLE001  a bug costs this federation and is kept with its traceback
        broken = broken_down(federation, FederationError(sentence(error)), time.monotonic() - started)
        return replace(broken, traceback="".join(format_exception(error)))
    outcome = Outcome(failures=[*report.failures], evaluation=report.evaluation, costs={**report.costs})
    facts = _facts(federation, outcome, report.seconds)
    content = (json.dumps(facts, indent=1) + "\n").encode()
    write_atomically(federation.marker, content, private=federation.recordings)
    return _federated(federation, facts, reused=False)


def _facts(federation: Federation, outcome: Outcome, seconds: float) -> dict[str, object]:
    """What the marker holds."""
    messages, vault = _messages(federation.recordings), federation.vault
    return {
        "address": _address(federation),
        "messages": [[*message, _digest(federation.recordings, message)] for message in messages],
        "shares": [path.name for path in shares_in(vault)],
        "hidden": [str(path.relative_to(vault)) for path in (*hidden_files(vault), *vault.glob(SECRET))],
        "failures": [asdict(failure) for failure in outcome.failures],
        "seconds": seconds,
        "evaluation": outcome.evaluation,
        "costs": {round: asdict(cost) for round, cost in outcome.costs.items()},
    }


def broken_down(federation: Federation, error: FedleakError, seconds: float = 0.0) -> Federated:
    """What is left of one that an error ended: whole rounds before it, which are as good as any, and what it broke in.

    There is no marker, so it is run again the next time; what it recorded before is then recorded alike.
    """
    left = _federated(federation, _facts(federation, outcome_so_far(federation.recordings), seconds), reused=False)
    return replace(left, error=error, unsent=_unsent(federation, left, str(error)))


def _unsent(federation: Federation, left: Federated, error: str) -> dict[MessageKey, str]:
    """Every message, from the last round that was reached on, that was not recorded and that no client owns up to."""
    experiment = federation.point.experiment
    owned = (sender_that_failed(one, experiment) for one in left.failures)
    known: set[MessageKey] = {*left.messages, *owned}
    reached = max((*left.costs, *(round for round, _ in known)), default=0)
    reason = f"the federation broke down: {error}" if left.messages else error
    return {
        (round, who): reason
        for round, who in expected_messages(experiment, federation.defense, federation.records)
        if round >= reached and (round, who) not in known
    }


def _address(federation: Federation) -> str:
    return whole_address(federation.point.experiment, federation.defense, federation.records)


def reusable(federation: Federation) -> Federated | None:
    """The federation that an earlier run left, where it is the same one and its recordings are still there."""
    try:
        facts = json.loads(federation.marker.read_bytes())
        earlier = _federated(federation, facts, reused=True)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, RecordingError):
        return None
    # A client that failed may do better the next time, so such a federation is not finished.
    whole = facts["address"] == _address(federation) and all(failure.planned for failure in earlier.failures)
    behind = [*(f"{SHARES}/{name}" for name in facts["shares"]), *facts.get("hidden", [])] if whole else []
    return earlier if whole and _intact(federation, earlier, [federation.vault / name for name in behind]) else None


def order_of(message: MessageKey) -> tuple[int, int, int]:
    """Sorts messages by round, then client, then the aggregate and the model."""
    round, who = message
    return (round, SENDERS.index(sender_of(who)), 0 if isinstance(who, str) else who)


def _plan(federation: Federation) -> FederationPlan:
    experiment = federation.point.experiment
    settings = {name: getattr(experiment, name) for name in PlanSettings.model_fields}
    if not federation.point.evaluated:
        settings["utility"] = UtilitySettings()
    return FederationPlan(
        **settings,
        defense=federation.defense.name,
        chain=tuple(training_tables(federation.point.experiment, federation.defense)),
        records=federation.records,
        recordings=str(federation.recordings.resolve()),
        vault=str(federation.vault.resolve()),
    )


def _messages(recordings: Path) -> list[MessageKey]:
    """The messages below a folder by round, then client, then the aggregate and the model."""
    found: list[MessageKey] = []
    for path in find_recordings(recordings):
        words: dict[str, Who] = {AGGREGATE: AGGREGATE, MODEL: MODEL, ACTIVE: ACTIVE, RELAY: RELAY}
        who = words[path.stem] if path.stem in words else int(path.stem.removeprefix("client-"))
        found.append((int(path.parent.name.removeprefix("round-")), who))
    return sorted(found, key=order_of)


def _intact(federation: Federation, federated: Federated, behind: Sequence[Path]) -> bool:
    """Whether every message is still what was recorded, and the truth of every client and of models is there."""
    try:
        same = all(_digest(federation.recordings, message) == digest for message, digest in federated.messages.items())
    except OSError:
        return False
    clients = [(round, who) for round, who in federated.messages if not isinstance(who, str)]
    truths = [stem_of(federation.vault, round, who) for round, who in clients]
    if split := federation.point.experiment.federation.split:
        truths = [columns_stem(federation.vault, party) for party in range(split.parties if federated.messages else 0)]
    files = [beside(stem, suffix) for stem in truths for suffix in (FACTS, TENSORS)]
    return same and all(path.is_file() for path in (*files, *behind))


def _digest(recordings: Path, message: MessageKey) -> str:
    """Of all files of a recording: a federation that is run again after a client failed may record other updates.

    Of a party's diary also of its own columns, which the diaries of all rounds share.
    """
    round, who = message
    stem = recordings / f"round-{round:04d}" / stem_name(who)
    digest = hashlib.blake2b(digest_size=10)
    lines, party = beside(stem, LINES), 0 if who == ACTIVE else who
    own = columns_files(recordings, party) if isinstance(party, int) else []
    for path in (beside(stem, FACTS), beside(stem, TENSORS), *([lines] if lines.exists() else []), *own):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _federated(federation: Federation, facts: dict[str, object], *, reused: bool) -> Federated:
    """Alarms come from the vault alone: the marker lies where the server records."""
    plain = json.loads(json.dumps(facts))
    return Federated(
        messages={(round, who): digest for round, who, digest in plain["messages"]},
        failures=[ClientFailure(**failure) for failure in plain["failures"]],
        seconds=plain["seconds"],
        evaluation={int(round): values for round, values in plain["evaluation"].items()},
        costs={int(round): Cost(**values) for round, values in plain["costs"].items()},
        alarms=tuple(raised_alarms(federation.vault)),
        figures=tuple(measured_figures(federation.vault)),
        reused=reused,
    )
