"""How much of an update is noise that defenses are known to have added."""

import math

from fedleak.contracts.observation import Observation

FOR_NOISE = 0.3
"""What the weight of the total variation gains for the noise's share of the length of an update.

Like the threshold of a denoiser it goes by the standard deviation; from a half to twice as much does as well.
"""


def smoothing(observation: Observation) -> float:
    """What the weight of the total variation gains where defenses are known to have added noise."""
    return FOR_NOISE * math.sqrt(noise_share(observation))


def noise_share(observation: Observation) -> float:
    """Expected squared length of the noise as a share of what was sent, 0 to 1; 0 where it is not known.

    In a sum over clients the noises of all are in the mean, each divided by their number. What is still under masks
    tells nothing of it.
    """
    if observation.masked:
        return 0.0
    clients = len(observation.cohort)
    variance = sum(defense.noise(observation.training) ** 2 for defense in observation.defense)
    sent = observation.update.vector().double()
    power = float(sent.square().sum())
    return min(1.0, variance / clients * sent.numel() / power) if power > 0 else 0.0
