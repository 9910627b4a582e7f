"""Which metrics fit which attacks: those that judge what an attack answers with."""

from collections.abc import Mapping, Sequence

from fedleak.attack import Attack
from fedleak.errors import ConfigError
from fedleak.metric import Metric
from fedleak.reconstruction import Kind

METRICS_FOR: Mapping[Kind, tuple[str, ...]] = {
    "inputs": ("mse", "psnr", "ssim"),
    "labels": ("label-recall",),
    "membership": ("membership-auc", "membership-tpr", "source-auc"),
    "properties": ("property-accuracy", "property-brier"),
}
"""What an answer is scored by where nobody named a metric; the page of a run speaks in the first that has a figure."""


def metrics_for(attacks: Sequence[Attack]) -> tuple[str, ...]:
    """The metrics that some attack can be judged by; without attacks those of images and labels."""
    answers = frozenset[Kind]().union(*(attack.answers for attack in attacks)) or {"inputs", "labels"}
    return tuple(name for kind, names in METRICS_FOR.items() if kind in answers for name in names)


def require_judged(attacks: Sequence[Attack], metrics: Sequence[Metric]) -> None:
    """Raises `ConfigError` where no metric can judge what any attack answers with: a run without a single figure."""
    if attacks and metrics and not any(judges(metric, attack) for metric in metrics for attack in attacks):
        named = " and ".join(dict.fromkeys(metric.name for metric in metrics))
        fitting = ", ".join(f'"{name}"' for name in metrics_for(attacks))
        raise ConfigError(
            f"metrics: {named} can judge none of these attacks, so there would be no figure; add some of {fitting}, or "
            "leave metrics out"
        )


def judges(metric: Metric, attack: Attack) -> bool:
    """Whether the metric is on something that the attack guesses."""
    return metric.compares in attack.answers
