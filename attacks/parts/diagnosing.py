"""Why a match most likely failed, told from what the attacker holds."""

from fedleak.observation import Observation
from fedleak.reconstruction import Diagnosis, Reconstruction


def diagnose(observation: Observation, guess: Reconstruction) -> Diagnosis | None:
    """The likeliest cause; None where the guess explains the update."""
    return None
