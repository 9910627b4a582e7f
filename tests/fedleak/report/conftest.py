"""Summaries and comparisons made by hand."""

import math

import pytest

from fedleak.statistics.comparison import Comparison
from fedleak.statistics.group import Group
from fedleak.statistics.intervals import Interval
from fedleak.statistics.summary import Summary

PLACE = {"task": "digits-mlp", "setting": (), "defense": "none", "attack": "dlg", "sender": "client", "metric": "psnr"}
UNITS = {"psnr": ("dB", True, 20.0), "mse": ("squared intensity", False, 0.01), "label-recall": ("share", True, 1.0)}


def group(**changed) -> Group:
    return Group(**{**PLACE, **changed})


def gain_interval(mean: float, half: float, guess: float, higher: bool) -> Interval:
    gain = mean - guess if higher else guess - mean
    return Interval(low=gain - half, high=gain + half, method="by hand")


def summary(*samples: float, half: float = 1.0, prior: float = 12.0, no_gradient: float = 9.0, **changed) -> Summary:
    """A summary of these samples whose interval reaches `half` to either side of the mean; NaN: there is none."""
    fields = {key: changed.pop(key) for key in list(changed) if key not in PLACE}
    unit, higher, threshold = UNITS[changed.get("metric", "psnr")]
    mean = math.fsum(samples) / len(samples) if samples else math.nan
    leaked = [value >= threshold if higher else value <= threshold for value in samples]
    values = {
        "group": group(**changed), "unit": unit, "higher_is_better": higher, "mean": mean,
        "interval": Interval(low=mean - half, high=mean + half, method="by hand"),
        "prior": prior, "no_gradient": no_gradient,
        "gain_interval": gain_interval(mean, half, (max if higher else min)(prior, no_gradient), higher),
        "samples": samples, "threshold": threshold,
        "worst_case": (max if higher else min)(samples, default=math.nan),
        "share": sum(leaked) / len(samples) if samples else math.nan,
        "share_interval": Interval(low=math.nan, high=math.nan, method="by hand"),
        "messages": len(samples), "seeds": 1, "failures": {} if samples else {"it raised": 2}, "certified": 0,
        "tuned": False,
    }  # fmt: skip
    return Summary(**{**values, **fields})


def comparison(difference: float, p_value: float, *, pairs: int = 4, **changed) -> Comparison:
    return Comparison(
        group=group(**changed),
        reference=group(**{**changed, "defense": "none"}),
        difference=difference,
        interval=Interval(low=difference - 1, high=difference + 1, method="by hand"),
        p_value=p_value,
        pairs=pairs,
        test="by hand",
    )


@pytest.fixture(scope="session")
def make_summary():
    return summary


@pytest.fixture(scope="session")
def make_comparison():
    return comparison
