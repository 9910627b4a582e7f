"""Rows made by hand."""

import math

import pytest

from fedleak.results import Row

PLAIN = {
    "task": "digits-mlp", "setting": {}, "federation": "", "split": "test", "algorithm": "dlg", "attack": "dlg",
    "defense": "none", "client": 0, "round": 1, "seed": 0, "metric": "psnr", "baseline": 10.0, "no_gradient": 9.0,
    "certifiable": False, "certified": False, "certificate": None,
    "trouble": None, "diagnosis": None, "applicable": True, "unit": "dB", "higher_is_better": True,
    "reason": None, "seconds": 0.5,
}  # fmt: skip


def row(*samples: float, **changed) -> Row:
    """A row with these values per sample; without any it failed."""
    best, worst = (max, min) if changed.get("higher_is_better", True) else (min, max)
    figures = {
        "value": math.fsum(samples) / len(samples) if samples else math.nan,
        "best": best(samples, default=math.nan),
        "worst": worst(samples, default=math.nan),
        "reason": None if samples else "it raised",
    }
    blind = {**PLAIN, **changed}
    better = (max if blind.get("higher_is_better") else min)(blind["baseline"], blind["no_gradient"])
    guesses = {"per_sample": samples, "blind_per_sample": (better,) * len(samples), "samples": len(samples)}
    return Row(**{**PLAIN, **figures, **guesses, **changed})


@pytest.fixture(scope="session")
def make_row():
    return row
