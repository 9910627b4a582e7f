"""What is known of a metric whose rows may have been brought here from elsewhere."""

import math

from fedleak.contracts.metric import Metric, metrics
from fedleak.errors import ConfigError


def installed(metric: str) -> type[Metric] | None:
    """The metric; None for that of a plug-in that is not installed here."""
    try:
        return metrics.get(metric)
    except ConfigError:
        return None


def bounds_of(metric: str) -> tuple[float, float]:
    """The least and the greatest value there can be, as far as is known."""
    known = installed(metric)
    return known.bounds if known else (-math.inf, math.inf)
