"""Cell files: the guess of a finished cell, the prior's guess, and the rows of its scores, as a pair of files."""

import json
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from fedleak.contracts.reconstruction import Diagnosis, Kind, Reconstruction, TracePoint
from fedleak.contracts.subject import Subject
from fedleak.errors import FedleakError, RecordingError
from fedleak.io.tensors import FACTS, beside, read_pair, write_pair
from fedleak.results.row import Row
from fedleak.results.schema import figure, finite_or_null

FORMAT = "fedleak-cell-5"
BESIDE = ("certified", "fallback", "label_distribution", "payload_bits", "payload_channel")
"""What stands beside guessed examples, labels, and a payload."""
NOT_RUN = Reconstruction.failed("the cell failed before the attack was over")


@dataclass(frozen=True, kw_only=True)
class Crash:
    """An attack that raised."""

    exit_status: int
    traceback: str


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What a cell leaves behind."""

    rows: tuple[Row, ...]
    address: str
    guess: Reconstruction = NOT_RUN
    prior: Reconstruction = NOT_RUN
    quality: tuple[tuple[int, float], ...] = ()
    """Iteration and PSNR in dB of the attack's snapshots."""
    crash: Crash | None = None
    about: Subject | None = None
    """Whose examples the attack guessed at; None: all that are behind the message."""

    def without_pictures(self) -> "Saved":
        """The same without guesses and quality: pictures stay on disk, and out of pipes and memory."""
        return replace(self, guess=NOT_RUN, prior=NOT_RUN, quality=())

    def crashed(self, error: BaseException) -> "Saved":
        """The same with the traceback of what went wrong."""
        status = error.exit_status if isinstance(error, FedleakError) else 1
        return replace(self, crash=Crash(exit_status=status, traceback="".join(traceback.format_exception(error))))


def save(stem: Path, saved: Saved) -> None:
    """Writes both files, each whole or not at all; the JSON file last."""
    facts = {
        "format": FORMAT,
        "address": saved.address,
        "rows": [row.facts() for row in saved.rows],
        "guess": _facts(saved.guess),
        "prior": _facts(saved.prior),
        "quality": finite_or_null(saved.quality),
        "crash": saved.crash and vars(saved.crash),
        **({"about": vars(saved.about)} if saved.about else {}),
    }
    write_pair(stem, {**_tensors("guess", saved.guess), **_tensors("prior", saved.prior)}, facts)


def load(stem: Path) -> Saved:
    """Reads both files; raises `RecordingError` where they are missing or damaged."""
    tensors, facts = read_pair(beside(stem, FACTS))
    try:
        return Saved(
            rows=tuple(Row.from_facts(row) for row in facts["rows"]),
            address=facts["address"],
            guess=_reconstruction("guess", facts, tensors),
            prior=_reconstruction("prior", facts, tensors),
            quality=tuple((iteration, figure(value)) for iteration, value in facts["quality"]),
            crash=Crash(**facts["crash"]) if facts["crash"] else None,
            about=Subject(**facts["about"]) if "about" in facts else None,
        )
    except (KeyError, TypeError) as error:
        raise RecordingError(f"{stem}.json is not the result of a cell ({error!r} is missing or wrong)") from error


def finished(stem: Path, address: str) -> Saved | None:
    """What an earlier run left at `stem`, where it is whole, did not crash and has the same address."""
    try:
        if json.loads(beside(stem, FACTS).read_bytes())["address"] != address:
            return None
        saved = load(stem)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, RecordingError):
        return None  # missing or damaged: the cell is simply run again
    return None if saved.crash else saved


def _facts(guess: Reconstruction) -> dict[str, Any]:
    return {
        "mismatch": finite_or_null(guess.mismatch),
        "failure": guess.failure,
        "certifiable": guess.certifiable,
        "certificate": guess.certificate,
        "note": guess.note,
        "diagnosis": guess.diagnosis and vars(guess.diagnosis),
        "trace": [[point.iteration, finite_or_null(point.loss)] for point in guess.trace],
    }


def _tensors(prefix: str, guess: Reconstruction) -> dict[str, Tensor]:
    tensors: list[tuple[str, Tensor | None]] = [
        *guess.guesses.items(),
        *((name, getattr(guess, name)) for name in BESIDE),
    ]
    return {f"{prefix}/{name}": value.detach() for name, value in tensors if value is not None}


def _reconstruction(prefix: str, facts: dict[str, Any], tensors: dict[str, Tensor]) -> Reconstruction:
    fields = facts[prefix]
    guesses: dict[str, Any] = {goal: tensors.get(f"{prefix}/{goal}") for goal in (*get_args(Kind), *BESIDE)}
    return Reconstruction(
        **guesses,
        mismatch=figure(fields["mismatch"]),
        failure=fields["failure"],
        certifiable=fields["certifiable"],
        certificate=fields["certificate"],
        note=fields["note"],
        diagnosis=Diagnosis(**fields["diagnosis"]) if fields["diagnosis"] else None,
        trace=tuple(TracePoint(iteration, figure(loss)) for iteration, loss in fields["trace"]),
    )
