"""Python API: capture, observe or serve, attack, score; the whole line in memory.

captured = capture("photos-convnet", clients=1)[0]
guess = attack(captured, "inverting-gradients", steps=400)
for figure in score(guess, captured):
    print(figure.metric, figure.value, "prior", figure.baseline, "no access", figure.no_access)

A prediction API of your own is any function from inputs to rows of probabilities; examples are `Batch(inputs, labels)`:

audit = serve(predict, public, classes=10, queries=1000, truth=private, judging=others)
guess = attack(audit, "confidence-inversion")
print([(figure.metric, figure.value) for figure in score(guess, audit)])
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from fedleak.captures import Audit, Capture, capture, observe, serve
from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import Metric
from fedleak.contracts.metric import metrics as metric_registry
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.contracts.subject import Subject
from fedleak.contracts.view import View
from fedleak.errors import ConfigError
from fedleak.evaluation import narrowed
from fedleak.evaluation.adversary import baselines, class_means_of, public_and_unseen
from fedleak.evaluation.judges import judges_from
from fedleak.evaluation.scoring import score as compare
from fedleak.evaluation.views import LOOKS_AT, shown
from fedleak.goals.answer import no_judges
from fedleak.goals.goals import GOALS
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

__all__ = ["INFERENCE", "METRICS", "Audit", "Batch", "Capture", "attack", "capture", "observe", "score", "serve"]
METRICS = (*GOALS["inputs"].metrics, *GOALS["labels"].metrics)
"""What a guess at the examples is scored by."""
INFERENCE = tuple(name for goal in GOALS.values() for name in goal.metrics if name not in METRICS)
"""What an answer to questions about them is scored by."""


def attack(captured: Capture | Audit | View, name: str, *, seed: int = 0, **options: Any) -> Reconstruction:
    """What the attack `name` makes of a capture; `options` are its fields. It sees the observation alone.

    Of a capture it also sees what it requires: other messages of the federation, and candidates to be asked about.
    Where it aims at one client or one class behind a sum the guess says so, and `score` compares it with theirs.
    """
    chosen = attacks.build(name, options)
    rng = generator(seed, "attack", name)
    if isinstance(captured, Capture):
        asked = _about(captured, chosen.subject(captured.observation))
        challenge = asked.challenge if "candidates" in chosen.requires else None
        captured = shown(captured.observation, chosen, captured.others, challenge)
    view = captured.view if isinstance(captured, Audit) else captured
    if not isinstance(view, chosen.sees):
        raise ConfigError(f"{name} looks at {LOOKS_AT[chosen.sees]}, got {LOOKS_AT[type(view)]}")
    with torch.inference_mode(False), torch.enable_grad():
        return chosen.run(view, rng)


def score(guess: Reconstruction, captured: Capture | Audit, metrics: Sequence[str] | None = None) -> list[Score]:
    """Each metric of a guess against the truth, beside what blind guesses and oracles get: see `Score`.

    Without `metrics` those that judge what was guessed: examples (`METRICS`), or answers to questions (`INFERENCE`).
    """
    chosen = tuple(metric_registry.build(name, {}) for name in (metrics or _fitting(guess)))
    if isinstance(captured, Audit):
        return _score_audit(guess, captured, chosen)
    if guess.subject is not None:
        captured = _about(captured, guess.subject)
        guess = guess if guess.subject.counted else narrowed.no_more(guess, len(captured.truth))
        observation = replace(captured.observation, num_examples=len(captured.truth))  # blind guesses are as many
        captured = replace(captured, observation=observation)
    if narrowed.is_sampled(captured.observation):  # how many there are is a secret
        guess = narrowed.no_more(guess, len(captured.truth))
        captured = replace(captured, observation=replace(captured.observation, num_examples=len(captured.truth)))
    challenge = None if guess.membership is None else captured.challenge
    asked = (
        captured.observation if challenge is None else replace(captured.observation, candidates=challenge.candidates)
    )
    public, unseen = public_and_unseen(asked)
    return compare(
        guess,
        captured.truth,
        chosen,
        attacks.build("prior", {}).run(asked, generator(0, "prior")),
        baselines(asked),
        challenge,
        class_mean=class_means_of(asked, guess),
        public=public,
        unseen=unseen,
        seen=captured.seen,
        view=asked,
    )


def _about(captured: Capture, subject: Subject | None) -> Capture:
    """The capture with the truth that an attack aims at, as `fedleak.evaluation.narrowed` has it of a run."""
    if subject is None:
        return captured
    truth, seen, question, whose = captured.truth, captured.seen, captured.question, captured.whose
    own = narrowed.chosen(subject, truth.labels, whose)
    if question is not None:
        nobodys = torch.zeros(len(truth), dtype=torch.bool)
        others = nobodys if whose is None or subject.client is None else whose != subject.client
        question = question.about(truth[own], truth[others.nonzero()[:, 0]])
    return replace(
        captured,
        truth=truth[own],
        question=question,
        seen=None if seen is None else seen[own],
        whose=None if whose is None else whose[own],
    )


def _score_audit(guess: Reconstruction, audit: Audit, metrics: tuple[Metric, ...]) -> list[Score]:
    if audit.truth is None:
        raise ConfigError(
            "there is nothing to score by; give serve(..., truth=...) examples of the classes asked about"
        )
    judging = audit.judging
    return compare(
        guess,
        audit.truth,
        metrics,
        attacks.build("prior", {}).run(audit.view, generator(0, "prior")),
        baselines(audit.view),
        view=audit.view,
        judges=no_judges if judging is None else lambda: judges_from(judging),
    )


def _fitting(guess: Reconstruction) -> list[str]:
    answered = [] if guess.failure else guess.guesses
    return [name for name in INFERENCE if metric_registry.get(name).compares in answered] or list(METRICS)
