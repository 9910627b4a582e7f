"""Verdict of an audit: what came back at each rung of the ladder, in sentences."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedleak.errors import ConfigError, RecordingError
from fedleak.formatting import counted, listed

Facts = dict[str, Any]
AS_IT_IS, WITHOUT = "as it is", "without its mods"
"""Rungs of the ladder."""
NAMED = 3
"""Attacks that broke off which get a sentence of their own."""
RESULT, ROWS, REPORT = "audit.json", "results.jsonl", "report.html"
"""Files of an audit: all facts, the figures of the updates as they are as rows of a run, and the page for people."""

NEEDED = {"app", "folder", "stopped", "updates", "attacks", "not_fitting", "out_of_scope", "no_task"}
OF_EACH = {
    "updates": {"client", "round", "verdict", "reasons", "facts"},
    "attacks": {"rung", "attack", "client", "round", "psnr", "best", "prior", "leaked", "labels", "examples", "reason"},
}
"""What each entry of these lists has, at least."""


@dataclass(frozen=True)
class Audited:
    """What an audit found: its facts as in `audit.json`, and the folder that they are in."""

    facts: Facts
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> "Audited":
        """What is in the folder of an audit; raises `RecordingError` where that is missing or damaged."""
        path = folder / RESULT
        try:
            facts = json.loads(path.read_text())
        except OSError as error:
            raise RecordingError(f"cannot read {path}: {error.strerror}; audit the app again") from error
        except ValueError as error:
            raise RecordingError(f"{path} is damaged ({error}); audit the app again") from error
        lacking = _lacking(facts)
        if lacking:
            raise RecordingError(f"{path} is of another version, without {lacking}; audit the app again")
        return cls(facts, folder)

    @property
    def understood(self) -> bool:
        """Whether all updates were understood, but for noise."""
        return all(str(one["verdict"]).startswith("understood") for one in self.facts["updates"])

    @property
    def judged(self) -> bool:
        """Whether an attack has a guess at images of the updates as they are."""
        return best_of(self._tried) is not None

    @property
    def leaked(self) -> int:
        """How many examples come back from the updates as they are, by the attack that gets the most.

        Raises `ConfigError` where no attack has a guess: that nothing was looked at is not that nothing leaks.
        """
        if not self.judged:
            raise ConfigError(
                f"no attack has a guess at images, so what leaks is not known: {' '.join(str(self).split())}"
            )
        return max((int(one["leaked"]) for one in self._tried), default=0)

    @property
    def psnr(self) -> float:
        """The mean of the best attack on the updates as they are, in dB; NaN where none has a guess."""
        best = best_of(self._tried)
        return math.nan if best is None else float(best["psnr"])

    @property
    def _tried(self) -> list[Facts]:
        return [one for one in self.facts["attacks"] if one["rung"] == AS_IT_IS]

    def __str__(self) -> str:
        return "\n".join(sentences(self.facts))


def _lacking(facts: Any) -> str:
    """What of an audit there is not, in words; empty where all is there."""
    lacking = sorted(NEEDED - set(facts)) if isinstance(facts, dict) else sorted(NEEDED)
    if lacking:
        return f"'{lacking[0]}'"
    for name, needed in OF_EACH.items():
        entries = facts[name]
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            return f"a list of '{name}'"
        for one in entries:
            if needed - set(one):
                return f"'{min(needed - set(one))}' of its {name}"
    return ""


def sentences(facts: Facts) -> Iterator[str]:
    """What a designer wants to know, in sentences."""
    yield from caveats(facts)
    yield from came_back(facts)
    yield from not_tried(facts)
    yield from what_protects(facts)


def caveats(facts: Facts) -> Iterator[str]:
    """Of which updates nothing is known, and why."""
    updates = facts["updates"]
    if facts["stopped"]:
        yield f"The app came to no end of its own: {facts['stopped']}."
    unclear = [one for one in updates if one["verdict"] == "not understood"]
    if unclear:
        first = unclear[0]
        yield (
            f"Not understood: {counted(len(unclear), 'update')} of {len(updates)}; the first, of client "
            f"{first['client']} in round {first['round']}: {'; '.join(first['reasons'])}."
        )
    own = [one for one in updates if one["verdict"] == "understood but for the loss"]
    if own:
        yield (
            f"Understood but for the loss, and not attacked: {counted(len(own), 'update')} of {len(updates)}. Network, "
            f"steps and optimizer explain them to the last bit with what came back to the network's output; the loss "
            f"that this is the gradient of is the app's own: {'; '.join(own[0]['reasons'])}."
        )
    masked = [one for one in updates if one["verdict"] == "masked"]
    if masked:
        yield (
            f"Masked: {counted(len(masked), 'update')} of {len(updates)}. A curious server sees the sum alone, which "
            "is not attacked here, and in clear what stands beside it."
        )
    for line in facts["out_of_scope"]:
        yield f"Recorded, and not attacked: {line}."
    if facts["no_task"]:
        yield f"There is {facts['no_task']}."


def by_rung(facts: Facts) -> dict[str, list[Facts]]:
    """What was tried at each rung, in their order."""
    rungs: dict[str, list[Facts]] = {}
    for one in facts["attacks"]:
        rungs.setdefault(one["rung"], []).append(one)
    return rungs


def came_back(facts: Facts) -> Iterator[str]:
    """What came back at each rung."""
    for rung, tried in by_rung(facts).items():
        yield f"{rung.capitalize()}: {_rung(tried)}"


def not_tried(facts: Facts) -> Iterator[str]:
    """What attacks without a guess at images came to, and what does not fit."""
    yield from _others(by_rung(facts).get(AS_IT_IS, []))
    if facts["not_fitting"]:
        yield str(facts["not_fitting"])


def what_protects(facts: Facts) -> Iterator[str]:
    """What vanishes on the way to the first rung where something comes back."""
    rungs = by_rung(facts)
    gone = [rung for rung, tried in rungs.items() if not _leaked(tried)]
    back = next((rung for rung, tried in rungs.items() if _leaked(tried)), None)
    if gone and back is not None and gone[0] == AS_IT_IS:
        yield (
            "What protects the examples from these attacks is the noise of its mods."
            if back == WITHOUT
            else f"What protects the examples from these attacks is what vanishes on the way to '{back}': batches and "
            f"steps that happen to be as they are, {'and noise, or both' if WITHOUT in rungs else 'and no defense'}."
        )
    elif rungs and back is None:
        yield "None of these attacks read it at any rung; that they did not is no proof that none can."


def _others(tried: Sequence[Facts]) -> Iterator[str]:
    """What attacks without a guess at images came to, on the updates as they are."""
    broke = [one for one in tried if one["broke"]]
    silent = [one for one in tried if missing(one["psnr"]) and one["attack"] and not one["broke"]]
    labels = [one for one in silent if not missing(one["labels"])]
    refused = dict.fromkeys(one["attack"] for one in silent if missing(one["labels"]))
    if labels:
        best = max(labels, key=lambda one: float(one["labels"]))
        several = len({one["attack"] for one in labels})
        yield (
            f"Labels alone are read by {counted(several, 'attack')}; {best['labels']:.0%} of them are right by "
            f"{best['attack']}."
        )
    if refused:
        yield f"Tried, and no way in for {counted(len(refused), 'attack')}: {listed(refused)}."
    for one in broke[:NAMED]:
        yield f"Not known of {one['attack']}, which {one['broke']}: {one['reason']}."
    if len(broke) > NAMED:
        yield f"Nor of {len(broke) - NAMED} more: {listed(one['attack'] for one in broke[NAMED:])}."


def _rung(tried: Sequence[Facts]) -> str:
    best = best_of(tried)
    if best is None:
        reasons = {one["reason"] for one in tried if one["reason"]}
        return f"no attack has a guess ({'; '.join(sorted(reasons))})."
    return (
        f"{best['leaked']} of {best['examples']} come back; {best['psnr']:.1f} dB by {best['attack']}, where guessing "
        f"without the update gives {best['prior']:.1f}."
    )


def best_of(tried: Sequence[Facts]) -> Facts | None:
    """The attack that gets the most examples back, and of these the nearest; None where none has a guess."""
    known = [one for one in tried if not missing(one["psnr"])]
    return max(known, key=lambda one: (one["leaked"], float(one["psnr"])), default=None)


def _leaked(tried: Sequence[Facts]) -> bool:
    return any(one["leaked"] for one in tried)


def missing(value: float | None) -> bool:
    """Whether a figure is none."""
    return value is None or math.isnan(value)
