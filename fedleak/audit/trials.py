"""Trials: every attack that fits, on what a server saw of one update, within a time; and what each got."""

import math
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fedleak.api import METRICS, attack, score
from fedleak.audit.fitting import QUICK, fitting, guesses_images
from fedleak.audit.settings import AuditSettings
from fedleak.captures import Capture
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.errors import first_line
from fedleak.progress import listening
from fedleak.results.row import Place, Remarks, Row

NEAREST = 3
"""Attacks that go down the ladder: those whose guesses at the update itself came nearest."""
OPTIONS: dict[str, dict[str, Any]] = {"inverting-gradients": {"steps": 800}, "fedavg-inversion": {"steps": 400}}
"""Where the defaults are for another size of problem."""
SAID_SECONDS = 1.0


class OutOfTimeError(Exception):
    """The time of the audit is over while an attack goes on."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What one attack got at one rung of the ladder."""

    rung: str
    attack: str
    client: int = -1
    round: int = 0
    """Whose update it is of, or is like, and when."""
    psnr: float = math.nan
    """Mean in dB over the examples; NaN where it has no guess."""
    best: float = math.nan
    prior: float = math.nan
    leaked: int = 0
    """Examples from the threshold of the task on."""
    labels: float = math.nan
    """Share of labels that are right, as a multiset."""
    examples: int
    reason: str = ""
    broke: str = ""
    """Of an attack that gave neither a guess nor a reason: `crashed`, `was cut off` or `was not tried`."""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The same with the guess and all that scoring says of it."""

    looked: Looked
    guess: Reconstruction
    scores: tuple[Score, ...] = ()

    def rows(self, task: str, defense: str, seed: int) -> list[Row]:
        """As the rows of a run, which a policy is held to."""
        looked, guess = self.looked, self.guess
        place = Place(
            task=task, algorithm=looked.attack, attack=looked.attack, defense=defense, client=looked.client,
            round=looked.round, seed=seed,
        )  # fmt: skip
        if not self.scores:
            return place.failed([metrics.build(name, {}) for name in METRICS], looked.reason, seconds=looked.seconds)
        diagnosis = guess.diagnosis
        remarks = Remarks(
            certifiable=guess.certifiable,
            certificate=guess.certificate,
            trouble=None if diagnosis is None else diagnosis.trouble,
            diagnosis=None if diagnosis is None else diagnosis.words,
        )
        return [place.row(one, seconds=looked.seconds, samples=looked.examples, remarks=remarks) for one in self.scores]


class Trials:
    """Attacks on captures, until the time is over; what came nearest to the update itself goes down the ladder."""

    def __init__(self, settings: AuditSettings, say: Callable[[dict[str, Any]], None]) -> None:
        self._settings = settings
        self._say = say
        self._ends = time.monotonic() + 60 * settings.minutes
        self._chosen = settings.attacks or (QUICK if settings.quick else fitting())
        self._all = bool(settings.attacks) or settings.quick

    def chosen(self, above: Sequence[Trial], examples: int) -> tuple[str, ...]:
        """Which attacks are tried: all, but below the update itself the nearest and those that found no way there.

        Of a single example, which takes the least time, all that guess images.
        """
        if not above or self._all:
            return self._chosen
        images = tuple(name for name in self._chosen if guesses_images(name))
        if examples == 1:
            return images
        ranked = sorted(
            (one.looked for one in above if not math.isnan(one.looked.psnr)),
            key=lambda one: (-one.leaked, -one.psnr),
        )
        near = {one.attack for one in ranked[:NEAREST]}
        silent = {one.looked.attack for one in above if math.isnan(one.looked.psnr) and not one.looked.broke}
        return tuple(name for name in images if name in near | silent)

    def on(self, made: Capture, whose: Looked, names: Sequence[str]) -> Iterator[Trial]:
        """Each attack on a capture; `whose` says of which update and rung."""
        for number, name in enumerate(names, 1):
            where = replace(whose, attack=name)
            if time.monotonic() > self._ends:
                yield self._broke(where, "was not tried", self._over)
                continue
            started = time.monotonic()
            words = f"{whose.rung}: {name} ({number} of {len(names)})"
            self._say({"event": "stage", "words": words})
            try:
                with listening(self._listener(words, started)):
                    one = self._try(made, where)
            except OutOfTimeError:
                one = self._broke(where, "was cut off", self._over)
            except Exception as error:  # noqa: BLE001  a module of anybody's raises whatever it likes
                traceback.print_exc()
                one = self._broke(where, "crashed", f"{type(error).__name__}: {first_line(error)}")
            yield replace(one, looked=replace(one.looked, seconds=time.monotonic() - started))

    @property
    def _over(self) -> str:
        return f"{self._settings.minutes:g} minutes were over; give it more by --minutes, or name attacks"

    def _try(self, made: Capture, where: Looked) -> Trial:
        name, seed = where.attack, self._settings.seed
        guess = attack(made, name, seed=seed, **OPTIONS.get(name, {}))
        scores = tuple(score(guess, made, METRICS))
        found = {one.metric: one for one in scores}
        pixels, labels = found["psnr"], found["label-recall"]
        looked = replace(
            where,
            psnr=pixels.value,
            best=pixels.best,
            prior=pixels.baseline,
            leaked=sum(value >= pixels.threshold for value in pixels.per_sample),
            labels=labels.value,
            reason=guess.failure or pixels.reason or "",
        )
        return Trial(looked=looked, guess=guess, scores=scores)

    def _broke(self, where: Looked, how: str, reason: str) -> Trial:
        return Trial(looked=replace(where, broke=how, reason=reason), guess=Reconstruction.failed(reason))

    def _listener(self, words: str, started: float) -> Callable[[int, int], None]:
        said = started

        def listen(done: int, total: int) -> None:
            nonlocal said
            now = time.monotonic()
            if now > self._ends:
                raise OutOfTimeError
            if done and now - said > SAID_SECONDS:
                said = now
                left = (now - started) * (total - done) / done
                self._say({"event": "stage", "words": f"{words}, {left:.0f} s left"})

        return listen
