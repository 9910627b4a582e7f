"""Judgement of an audit: what attacks get of the updates that were understood, as they are and down a ladder."""

import json
import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import torch

from fedleak.audit.answers import Answers
from fedleak.audit.capturing import captured, defense_of, defenses_in, network_of
from fedleak.audit.exhibit import name_of, write_exhibit
from fedleak.audit.facts import facts_of
from fedleak.audit.fitting import unfitting
from fedleak.audit.foreign_task import write_task
from fedleak.audit.knowledge import Compared, loss_of, normalization_of, truth_of
from fedleak.audit.local_training import training_of
from fedleak.audit.settings import AuditSettings
from fedleak.audit.trials import Looked, Trial, Trials
from fedleak.audit.troubles import Unclear
from fedleak.audit.understanding import Understanding, Update
from fedleak.audit.verdict import AS_IT_IS, RESULT, ROWS, WITHOUT
from fedleak.captures import observe
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import FedleakError, first_line, sentence
from fedleak.formatting import counted
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.layers import scores_in
from fedleak.results.row import write_results
from fedleak.settings.base import parse_settings

ATTACKED = ("understood", "understood but for noise")


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
        trials, scope, defenses = Trials(self._settings, self._say), [], {}
        tried: list[Trial] = []
        for update, known in self._attackable:
            defenses[update.client, update.round] = defense_of(update)
            try:
                for one in self._ladder(update, known, trials):
                    tried += one
            except (Unclear, FedleakError) as error:
                scope.append(f"client {update.client} in round {update.round}: {error}")
            except Exception as error:  # noqa: BLE001  a module of anybody's raises whatever it likes
                traceback.print_exc()
                words = f"{type(error).__name__}: {first_line(error)}"
                scope.append(f"client {update.client} in round {update.round}: it cannot be attacked, {words}")
        no_task = ""
        try:
            no_task = self._task() if self._attackable and not scope else ""
        except Exception as error:  # noqa: BLE001  a module of anybody's raises whatever it likes
            traceback.print_exc()
            no_task = f"no task of it for experiments: {type(error).__name__}: {first_line(error)}"
        settings = self._settings
        facts = {
            "app": settings.name,
            "folder": str(settings.folder),
            "stopped": stopped,
            "updates": updates,
            "attacks": [asdict(one.looked) for one in tried],
            "not_fitting": "" if settings.attacks or settings.quick else unfitting(),
            "out_of_scope": scope,
            "no_task": no_task,
        }
        real = [one for one in tried if one.looked.rung == AS_IT_IS]
        rows = [
            row
            for one in real
            for row in one.rows(settings.name, defenses[one.looked.client, one.looked.round], settings.seed)
        ]
        write_results(settings.out / ROWS, rows)
        (settings.out / RESULT).write_text(json.dumps(plain(facts), indent=1, allow_nan=False))

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

    def _ladder(self, update: Update, known: Understanding, trials: Trials) -> Iterator[list[Trial]]:
        """As it is, one epoch, one step, one image; what protects is what vanishes on the way.

        It ends at the rung where all examples come back.
        """
        self._compared.require(update, known)
        network = network_of(update, known, normalization_of(update.training, self._answers))
        truth = truth_of(update, self._answers)
        loss, options = loss_of(update.training, self._answers)
        facts = training_of(update, known.pull, self._answers)
        whose = Looked(rung=AS_IT_IS, attack="", client=update.client, round=update.round, examples=len(truth))
        real = captured(update, known, network, truth, (loss, options), facts)
        first = list(trials.on(real, whose, trials.chosen((), len(truth))))
        behind = counted(len(truth), "example")
        note = f"{self._settings.name}, as it is; {behind} behind the update; PSNR below each guess"
        write_exhibit(real, first, self._settings.out, name_of(update.client, update.round), note)
        yield first
        trained: dict[str, Any] = {
            "loss": loss, "loss_options": options, "learning_rate": facts.learning_rate, "mode": facts.mode,
            "optimizer": facts.optimizer, "momentum": facts.momentum, "weight_decay": facts.weight_decay,
        }  # fmt: skip
        last = first
        for rung, number, training in rungs(facts, len(truth), noisy=bool(defenses_in(update))):
            if any(one.looked.leaked == len(truth) for one in last):
                return
            batch, where = truth[torch.arange(number)], replace(whose, rung=rung, examples=number)
            try:
                made = observe(network, batch.inputs, batch.labels, seed=self._settings.seed, **trained, **training)
            except FedleakError as error:
                reason = sentence(error)
                last = [Trial(looked=replace(where, reason=reason), guess=Reconstruction.failed(reason))]
            else:
                last = list(trials.on(made, where, trials.chosen(first, number)))
            yield last


def rungs(facts: LocalTraining, examples: int, *, noisy: bool) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The rungs below the update itself: name, examples, and what of the training is left."""
    if noisy:
        own = {"batch_size": facts.batch_size, "epochs": facts.epochs, "accumulation": facts.accumulation}
        yield WITHOUT, examples, own
    if (facts.epochs or 1) > 1:
        yield "one epoch", examples, {"batch_size": min(facts.batch_size or 1, examples)}
    if (facts.passes or 1) > 1:
        yield "one step", examples, {"batch_size": examples}
    if examples > 1:
        yield "one image", 1, {"batch_size": 1}


def plain(value: Any) -> Any:
    """The same with None for what is no number, which JSON does not have."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
