"""Payload detectors: whether a model's parameters look like those of honest training, or as if something were in them.

Whoever audits has models of honest training, on data like the clients' and of other seeds. One of them is the twin that
a model is compared with; the others, compared with the same twin, say what a score is worth.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import ks_2samp, kurtosis
from torch import Tensor

from fedleak.errors import ConfigError
from fedleak.formatting import counted
from fedleak.learning.weights import Weights

LOW = 6
"""How many of the lowest bits of a mantissa are looked at together."""
FEWEST = 1000
"""Values of a parameter below which its distribution says little, so that it is left out where others have more."""
Score = Callable[[Float[Tensor, " values"], Float[Tensor, " values"]], float]
"""How unlike a twin the values of a parameter are."""


def low_bits(values: Float[Tensor, " values"], twin: Float[Tensor, " values"]) -> float:
    """How unlike the lowest bits are: the chi-squared statistic of two samples over its degrees of freedom.

    Those of an honest model need not be uniform: initial weights are multiples of one step, and those behind pixels
    that are always black stay as they were drawn. About 1 where both are noise.
    """
    ours, theirs = _low_counts(values), _low_counts(twin)
    filled = (ours + theirs) > 0
    parts = ((ours - theirs).square() / (ours + theirs))[filled]
    return float(parts.sum() / max(int(filled.sum()) - 1, 1))


def distribution(values: Float[Tensor, " values"], twin: Float[Tensor, " values"]) -> float:
    """The Kolmogorov-Smirnov distance of two samples: the largest difference of their distributions."""
    return float(ks_2samp(values.numpy(), twin.numpy(), method="asymp").statistic)


def tails(values: Float[Tensor, " values"], twin: Float[Tensor, " values"]) -> float:
    """By how much the kurtosis differs."""
    return float(abs(kurtosis(values.double().numpy()) - kurtosis(twin.double().numpy())))


def signs(values: Float[Tensor, " values"], twin: Float[Tensor, " values"]) -> float:
    """By how much the share of positive values differs."""
    return float(((values > 0).double().mean() - (twin > 0).double().mean()).abs())


def near_zero(values: Float[Tensor, " values"], twin: Float[Tensor, " values"]) -> float:
    """By how much the share of values differs that are nearer to zero than a twentieth of the twin has."""
    edge = twin.abs().double().quantile(0.05)
    return float(((values.abs() <= edge).double().mean() - 0.05).abs())


SCORES: Mapping[str, Score] = {
    "low bits": low_bits,
    "distribution": distribution,
    "tails": tails,
    "signs": signs,
    "near zero": near_zero,
}
"""Larger is more suspicious; each takes what is most suspicious of all parameters."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one detector says of a model."""

    detector: str
    score: float
    threshold: float
    """Above which it flags a model; so many honest ones are above as false alarms are allowed."""

    @property
    def flagged(self) -> bool:
        return self.score > self.threshold


def scores(model: Weights, twin: Weights) -> dict[str, float]:
    """How unlike the twin a model is, by detector."""
    large = [name for name, value in twin.parameters.items() if value.numel() >= FEWEST] or list(twin.parameters)
    return {
        name: max(score(model.parameters[one].flatten(), twin.parameters[one].flatten()) for one in large)
        for name, score in SCORES.items()
    }


def thresholds(honest: Sequence[Weights], twin: Weights, alarms: float = 0.01) -> dict[str, float]:
    """By detector the score that an honest model is above with a probability of at most `alarms`.

    Of an honest model that is like these the rank among them is uniform. Raises `ConfigError` where there are too few.
    """
    allowed = int(alarms * (len(honest) + 1) + 1e-9)
    if not allowed:
        raise ConfigError(
            f"false alarms of {alarms:g} take {round(1 / alarms) - 1} honest models, got "
            f"{counted(len(honest), 'model')}; train more, or allow more"
        )
    found = [scores(model, twin) for model in honest]
    return {name: float(np.sort([one[name] for one in found])[-allowed]) for name in SCORES}


def findings(model: Weights, twin: Weights, limits: Mapping[str, float]) -> tuple[Finding, ...]:
    """What each detector says of a model, by `thresholds`."""
    return tuple(
        Finding(detector=name, score=score, threshold=limits[name]) for name, score in scores(model, twin).items()
    )


def _low_counts(values: Float[Tensor, " values"]) -> Float[Tensor, " patterns"]:
    """How often each pattern of the lowest bits of a mantissa comes."""
    low = values.float().contiguous().view(torch.int32) & ((1 << LOW) - 1)
    return torch.bincount(low, minlength=1 << LOW).double()
