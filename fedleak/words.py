"""Figures and settings in the words that tables, reports and gates share."""

import math
from collections.abc import Mapping

from fedleak.results import Scalar


def figure(value: float) -> str:
    """Three significant places, as short as they go; `-` for what was not measured."""
    if math.isnan(value):
        return "-"
    size = abs(value)
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.01 or size == 0 else f"{value:.0e}".replace("e-0", "e-")


def setting_in_words(setting: Mapping[str, Scalar]) -> str:
    """`small batches, batch_size=4`: a combination by its name, other settings by the last part of their key."""
    words = [str(value) if key == "vary" else f"{key.rpartition('.')[2]}={value}" for key, value in setting.items()]
    return ", ".join(words)
