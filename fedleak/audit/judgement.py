"""Judgement of an audit: what attacks get of the updates that were understood, as they are and down a ladder."""

import json
import math
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from fedleak.api import attack, score
from fedleak.audit.answers import Answers
from fedleak.audit.capturing import captured, defenses_in, network_of
from fedleak.audit.facts import facts_of
from fedleak.audit.foreign_task import write_task
from fedleak.audit.knowledge import Compared, loss_of, normalization_of, truth_of
from fedleak.audit.local_training import training_of
from fedleak.audit.settings import AuditSettings
from fedleak.audit.troubles import Unclear
from fedleak.audit.understanding import Understanding, Update
from fedleak.audit.verdict import AS_IT_IS, WITHOUT
from fedleak.captures import Capture, observe
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import FedleakError, first_line, sentence
from fedleak.figures.panels import Line, Panel, Picture, draw
from fedleak.learning.batch import Batch
from fedleak.learning.layers import scores_in
from fedleak.settings.base import parse_settings

ATTACKED = ("understood", "understood but for noise")
SHOWN = 8
"""Examples in a picture, at most."""
BLIND = ("prior", "no-access", "class-mean")
"""What guesses without the update."""
QUICK = ("analytic-linear", "dlg", "inverting-gradients", "fedavg-inversion", "auto-labels")
"""What is tried unless attacks are named: one of each family that needs nothing but the update."""
OPTIONS: dict[str, dict[str, Any]] = {"inverting-gradients": {"steps": 800}, "fedavg-inversion": {"steps": 400}}


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What one attack got at one rung of the ladder."""

    rung: str
    attack: str
    client: int = -1
    round: int = 0
    """Whose update it is of, or is like, and when."""
    psnr: float
    """Mean in dB over the examples; NaN where it has no guess."""
    best: float
    prior: float
    leaked: int
    """Examples from the threshold of the task on."""
    labels: float
    """Share of labels that are right, as a multiset."""
    examples: int
    reason: str = ""
    seconds: float = 0.0


class Judge:
    """Keeps updates as they come, attacks some of them at the end, and writes what was found."""

    def __init__(self, settings: AuditSettings, say: Callable[[dict[str, Any]], None]) -> None:
        self._settings = settings
        self._say = say
        self._answers = parse_settings(Answers, settings.facts)
        self._compared = Compared(self._answers)
        self._truths: list[Batch] = []
        self._attackable: list[tuple[Update, Understanding]] = []

    def kept(self, update: Update, known: Understanding) -> dict[str, Any]:
        """The facts of an update, for the file; those that are to be attacked are kept whole."""
        facts = [asdict(fact) for fact in facts_of(update, known, self._answers)]
        self._compared.add(update, known)
        told = self._answers.training is not None and known.wire is not None
        if known.verdict in ATTACKED or told:
            with suppress(Unclear):  # said where it is attacked
                self._truths.append(truth_of(update, self._answers))
        if (known.verdict in ATTACKED or told) and len(self._attackable) < self._settings.attacked:
            self._attackable.append((update, known))  # all others are forgotten, with the examples in them
        return {
            "client": update.client,
            "round": update.round,
            "verdict": known.verdict,
            "reasons": list(known.reasons),
            "started_apart": known.started_apart,
            "replay_apart": known.replay_apart,
            "noise": known.noise,
            "facts": facts,
        }

    def judge(self, updates: list[dict[str, Any]], stopped: str) -> None:
        """Attacks, draws and writes `audit.json`; `stopped` says why the app came to no end of its own."""
        looked, scope = [], []
        for update, known in self._attackable:
            try:
                for one in self._ladder(update, known):
                    looked.append(replace(one, client=update.client, round=update.round))
            except (Unclear, FedleakError) as error:
                scope.append(f"client {update.client} in round {update.round}: {error}")
            except Exception as error:  # noqa: BLE001  a module of anybody's raises whatever it likes
                traceback.print_exc()
                words = f"{type(error).__name__}: {first_line(error)}"
                scope.append(f"client {update.client} in round {update.round}: an attack failed, {words}")
        try:
            no_task = self._task() if self._attackable and not scope else ""
        except Exception as error:  # noqa: BLE001  as above
            traceback.print_exc()
            no_task = f"no task of it for experiments: {type(error).__name__}: {first_line(error)}"
        facts = {
            "app": self._settings.name,
            "folder": str(self._settings.folder),
            "stopped": stopped,
            "updates": updates,
            "attacks": [asdict(one) for one in looked],
            "out_of_scope": scope,
            "no_task": no_task,
        }
        (self._settings.out / "audit.json").write_text(json.dumps(plain(facts), indent=1, allow_nan=False))

    def _task(self) -> str:
        """Writes what experiments take of the app; the sentence why not, where that cannot be."""
        update, known = self._attackable[0]
        training, settings = update.training, self._settings
        network = network_of(update, known, None)
        with torch.no_grad():
            classes = scores_in(network(self._truths[0].inputs[:2].repeat(2, 1, 1, 1))).shape[-1]
        loss, options = loss_of(training, self._answers)
        facts: dict[str, Any] = {
            "shape": list(self._truths[0].inputs.shape[1:]),
            "classes": max(int(classes), 2),
            "loss": loss,
            "loss_options": options,
            "learning_rate": training_of(update, known.pull, self._answers).learning_rate,
        }
        normalized = normalization_of(training, self._answers)
        if normalized is not None:
            facts["normalize"] = {"mean": list(normalized[0]), "std": list(normalized[1])}
        return write_task(settings.out, settings.folder, settings.name, network, training.start, self._truths, facts)

    def _ladder(self, update: Update, known: Understanding) -> Iterator[Looked]:
        """As it is, one epoch, one step, one image; what protects is what vanishes on the way."""
        training = update.training
        answers = self._answers
        self._compared.require(update, known)
        network = network_of(update, known, normalization_of(training, answers))
        truth = truth_of(update, answers)
        loss, options = loss_of(training, answers)
        facts = training_of(update, known.pull, answers)
        real = captured(update, known, network, truth, (loss, options), facts)
        picture = f"client-{update.client}{f'-round-{update.round}' if update.round > 1 else ''}.png"
        yield from self._attacked(AS_IT_IS, real, picture=picture)
        simple: dict[str, Any] = {
            "loss": loss, "loss_options": options, "learning_rate": facts.learning_rate, "mode": facts.mode,
            "optimizer": facts.optimizer, "momentum": facts.momentum, "weight_decay": facts.weight_decay,
        }  # fmt: skip
        if defenses_in(update):
            shape = {"batch_size": facts.batch_size, "epochs": facts.epochs, "accumulation": facts.accumulation}
            yield from self._rung(WITHOUT, network, truth, {**simple, **shape})
        if (facts.epochs or 1) > 1:
            size = min(facts.batch_size or 1, len(truth))
            yield from self._rung("one epoch", network, truth, {**simple, "batch_size": size})
        if (facts.passes or 1) > 1:
            yield from self._rung("one step", network, truth, {**simple, "batch_size": len(truth)})
        if len(truth) > 1:
            one = truth[torch.tensor([0])]
            yield from self._rung("one image", network, one, {**simple, "batch_size": 1})

    def _rung(self, name: str, network: nn.Module, truth: Batch, training: dict[str, Any]) -> Iterator[Looked]:
        try:
            made = observe(network, truth.inputs, truth.labels, seed=self._settings.seed, **training)
        except FedleakError as error:
            yield Looked(
                rung=name, attack="", psnr=math.nan, best=math.nan, prior=math.nan, leaked=0, labels=math.nan,
                examples=len(truth), reason=sentence(error),
            )  # fmt: skip
            return
        yield from self._attacked(name, made)

    def _attacked(self, rung: str, made: Capture, picture: str = "") -> Iterator[Looked]:
        lines = []
        for chosen in self._fitting():
            self._say({"event": "stage", "words": f"{rung}: {chosen.name}"})
            started = time.monotonic()
            guess = attack(made, chosen.name, seed=self._settings.seed, **OPTIONS.get(chosen.name, {}))
            found = {one.metric: one for one in score(guess, made, ["psnr", "label-recall"])}
            pixels, labels = found["psnr"], found["label-recall"]
            looked = Looked(
                rung=rung,
                attack=chosen.name,
                psnr=pixels.value,
                best=pixels.best,
                prior=pixels.baseline,
                leaked=sum(value >= pixels.threshold for value in pixels.per_sample),
                labels=labels.value,
                examples=len(made.truth),
                reason=guess.failure or pixels.reason or "",
                seconds=time.monotonic() - started,
            )
            lines.append((looked, guess))
            yield looked
        if picture:
            self._draw(made, lines, picture)

    def _fitting(self) -> list[Attack[Any]]:
        return [attacks.build(name, {}) for name in (self._settings.attacks or QUICK)]

    def _draw(self, made: Capture, lines: list[tuple[Looked, Reconstruction]], name: str) -> None:
        """The truth, and below it what each attack made of it."""
        count = min(len(made.truth), SHOWN)
        rows = [Line(title="truth", pictures=tuple(Picture(image=one) for one in made.truth.inputs[:count]))]
        for looked, guess in lines:
            if guess.inputs is None or math.isnan(looked.psnr):
                continue
            figures = score(guess, made, ["psnr"])[0]
            order = closest(made.truth.inputs[:count], guess.inputs)
            pictures = tuple(
                Picture(image=guess.inputs[place].clamp(0, 1), caption=f"{figures.per_sample[row]:.1f} dB")
                for row, place in enumerate(order)
            )
            rows.append(Line(title=looked.attack, pictures=pictures))
        note = f"{self._settings.name}, as it is; {len(made.truth)} examples behind the update; PSNR below each guess"
        draw(
            Panel(title="what an audit read", columns=("",) * count, lines=tuple(rows), note=note),
            self._settings.out / name,
        )


def plain(value: Any) -> Any:
    """The same with None for what is no number, which JSON does not have."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def closest(truth: torch.Tensor, guesses: torch.Tensor) -> list[int]:
    """For each example the guess that is nearest to it."""
    return [int((guesses - one).square().flatten(1).mean(1).argmin()) for one in truth]
