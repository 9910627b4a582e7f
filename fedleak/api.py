"""Capture, attack, score: the whole line from Python, in memory.

captured = capture("photos-convnet", clients=1)[0]
guess = attack(captured, "inverting-gradients", steps=400)
for figure in score(guess, captured):
    print(figure.metric, figure.value, "prior", figure.baseline, "no gradient", figure.no_gradient)
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fedleak.attack import attacks
from fedleak.campaign.adversary import blind_guesses, shown
from fedleak.captures import Capture, capture, observe
from fedleak.fitting import METRICS_FOR
from fedleak.metric import metrics as metric_registry
from fedleak.observation import Observation
from fedleak.randomness import generator
from fedleak.reconstruction import Reconstruction
from fedleak.score import Score
from fedleak.scoring import score as compare

__all__ = ["INFERENCE", "METRICS", "Capture", "attack", "capture", "observe", "score"]

METRICS = (*METRICS_FOR["inputs"], *METRICS_FOR["labels"])
"""What a guess at the examples is scored by."""
INFERENCE = (*METRICS_FOR["membership"], *METRICS_FOR["properties"])
"""What an answer to questions about them is scored by."""


def attack(captured: Capture | Observation, name: str, *, seed: int = 0, **options: Any) -> Reconstruction:
    """What the attack `name` makes of a capture; `options` are its fields. It sees the observation alone.

    Of a capture it also sees what it wants: other messages of the federation, and candidates to be asked about.
    """
    chosen = attacks.build(name, options)
    dice = generator(seed, "attack", name)
    if isinstance(captured, Observation):
        return chosen.reconstruct(captured, dice)
    challenge = captured.challenge if "candidates" in chosen.wants else None
    return chosen.reconstruct(shown(captured.observation, chosen, captured.others, challenge), dice)


def score(guess: Reconstruction, captured: Capture, metrics: Sequence[str] | None = None) -> list[Score]:
    """Each metric of a guess against the truth, beside what two blind guesses get: see `Score`.

    Without `metrics` those that judge what was guessed: examples (`METRICS`), or answers to questions (`INFERENCE`).
    """
    chosen = tuple(metric_registry.build(name, {}) for name in (metrics or _fitting(guess)))
    challenge = None if guess.membership is None else captured.challenge
    asked = (
        captured.observation if challenge is None else replace(captured.observation, candidates=challenge.candidates)
    )
    prior = attacks.build("prior", {}).reconstruct(asked, generator(0, "prior"))
    return compare(guess, captured.truth, chosen, prior, blind_guesses(asked), challenge)


def _fitting(guess: Reconstruction) -> list[str]:
    if guess.failure or (guess.membership is None and guess.properties is None):
        return list(METRICS)
    given = {"membership": guess.membership, "properties": guess.properties}
    return [name for name in INFERENCE if given[metric_registry.get(name).compares] is not None]
