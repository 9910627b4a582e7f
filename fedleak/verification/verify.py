"""Verification of a run: each recorded update is recomputed from the true batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fedleak import progress
from fedleak.errors import FederationError, FedleakError, RecordingError
from fedleak.evaluation.message import Message
from fedleak.federation.outcome import FAILURES, read_outcome
from fedleak.formatting import counted
from fedleak.processes.home import at_home
from fedleak.recording.diary import is_diary
from fedleak.recording.files import find_recordings
from fedleak.recording.payload import RING
from fedleak.recording.recording import Recording
from fedleak.recording.task_table import home_of
from fedleak.results.schema import AGGREGATE
from fedleak.runs.folder import RunFolder
from fedleak.runs.kept_apps import require_kept
from fedleak.vault.batches import PrivateBatch
from fedleak.verification.causes import likely_cause, remark
from fedleak.verification.replay import SUMMATION, Comparison, compare, replay, replayed_mean

USUAL = "expected the folder of a run, as `fedleak run --out` made it"
UNENDED = "has not ended: its server still runs, or was stopped in the middle; recorded is what it had received by then"
TRUTHLESS = "has no truth beside it: what was imported, or has its vault elsewhere, cannot be recomputed"
IMPORTED = "what lies there was imported, without the truth that updates are recomputed from; `fedleak attack` reads it"
Verdict = Literal["agrees", "disagrees", "undecided", "masked", "released"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """What came of recomputing one message."""

    defense: str
    """`seed=1/none` where a campaign has several settings, else the defense alone."""
    message: str
    """`round 1, client 0`."""
    verdict: Verdict
    comparison: Comparison | None = None
    """None where there was nothing to compare."""
    remark: str = ""
    """The likely cause of a disagreement; else what to know about an agreement."""


def verify(run: Path) -> list[Check]:
    """Checks every recording of a run folder; raises `RecordingError` where there is none."""
    folder = RunFolder(run)
    require_kept(folder)
    found = find_recordings(run / "recordings")
    paths = [path for path in found if not is_diary(path)]
    if not paths:
        diaries = len(found) > len(paths) or any((run / "recordings").rglob("columns-*.json"))
        columns = ["its parties hold columns, and send no updates to recompute"] if diaries else []
        usual = IMPORTED if find_recordings(run) else USUAL
        why = "; ".join([*columns, *breakdowns(run)]) or usual
        raise RecordingError(f"{run} holds no recordings; {why}")
    checks = []
    for done, path in enumerate(paths):
        progress.report(done, len(paths))
        checks.append(at_home(home_of(path), _check, folder, path))
    return checks


def breakdowns(run: Path) -> list[str]:
    """What ended those federations of a run folder that came to no end of their own, a sentence each."""
    root = run / "recordings"
    folders = {path.parent.parent for path in find_recordings(root)} | {path.parent for path in root.rglob(FAILURES)}
    found = []
    for folder in sorted(folders):
        whose = f"the federation of {folder.relative_to(root)}"
        if not (folder / FAILURES).exists():
            found.append(f"{whose} {UNENDED if (run / 'vault' / folder.relative_to(root)).exists() else TRUTHLESS}")
            continue
        try:
            read_outcome(folder)
        except FedleakError as error:
            found.append(f"{whose} broke down: {error}")
    return found


def _check(folder: RunFolder, path: Path) -> Check:
    where, message = path.parent.parent.relative_to(folder.root / "recordings"), _spoken(path)
    try:
        read = Message(path=path, recordings=path.parent.parent, vault=folder.root / "vault" / where)
        verdict, comparison, words = _released(read) if read.of_model else _compared(read)
    except (RecordingError, FederationError) as error:
        verdict, comparison, words = "disagrees", None, str(error)
    return Check(defense=where.as_posix(), message=message, verdict=verdict, comparison=comparison, remark=words)


def _spoken(path: Path) -> str:
    """`round 1, client 0` for `round-0001/client-0000.json`."""
    words = [name.replace("-", " ") for name in (path.parent.name, path.stem)]
    return ", ".join(" ".join(word.lstrip("0") or "0" for word in name.split(" ")) for name in words)


def _released(read: Message) -> tuple[Verdict, Comparison | None, str]:
    """A model is a mean of updates that need not be recorded: what is checked is that its truth is there."""
    truth = counted(len(read.truth), "example")
    return "released", None, f"a model, which nothing recomputes; it was trained on {truth}, which are there"


def _compared(read: Message) -> tuple[Verdict, Comparison | None, str]:
    recording, truths = read.recording, read.deposits
    if recording.kind == "masked":
        return "masked", None, "masked; verified in the sum"
    if recording.kind == AGGREGATE:
        comparison = compare(recording, replayed_mean(recording, truths, read.sent))
        return _judged(comparison, lambda: "the sum does not follow from the cohort's batches", recording, truths[0])
    # A server that lies may get one client's vector over the ring.
    replayed = replayed_mean(recording, truths) if RING in recording.payload else replay(recording, truths[0])
    comparison = compare(recording, replayed)
    return _judged(comparison, lambda: likely_cause(recording, truths[0]), recording, truths[0])


def _judged(
    comparison: Comparison, cause: Callable[[], str], recording: Recording, truth: PrivateBatch
) -> tuple[Verdict, Comparison, str]:
    if not comparison.agrees:
        return "disagrees", comparison, cause()
    if comparison.error > 0 and not comparison.decidable:
        return "undecided", comparison, _drowned(comparison)
    return "agrees", comparison, "; ".join(filter(None, [_grid(comparison), remark(recording, truth)]))


def _grid(comparison: Comparison) -> str:
    if comparison.grid <= SUMMATION:
        return ""
    return f"the protocol rounds to a grid: this tells no difference below {comparison.tolerance:.0%} of the update"


def _drowned(comparison: Comparison) -> str:
    coarse = "the protocol, whose grid is coarse where clients count few examples"
    whose = coarse if comparison.grid > comparison.tolerance / 2 else "the weights"
    return f"the update is too small to be told from the rounding of {whose}"


def disagreeing(checks: list[Check]) -> Iterator[Check]:
    """The checks that failed."""
    return (check for check in checks if check.verdict == "disagrees")
