"""Shares of messages: the figure `share-at-40dB` is, of each message, the share of its images at 40 dB PSNR or more."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from fedleak.results.row import BESIDE, Row
from fedleak.statistics.summary import Summary, summary_of

METRIC = "psnr"
"""The metric in decibels whose samples are counted."""
NAME = re.compile(r"share-at-(\d+)dB", re.ASCII)
SLIP = re.compile(r"(?:psnr-)?share-(?:at|above|over)-(\d+)-?db", re.IGNORECASE | re.ASCII)
"""What else people call it."""
UNIT = "share of images"


def level_of(figure: str) -> float | None:
    """The decibels in the name of such a figure; None for any other."""
    found = NAME.fullmatch(figure)
    return float(found[1]) if found else None


def meant_by(figure: str) -> str | None:
    """The name that a misspelling of such a figure stands for; None where it is none."""
    found = SLIP.fullmatch(figure)
    return f"share-at-{found[1]}dB" if found else None


def message_shares(figure: str, summary: Summary, rows: Sequence[Row]) -> tuple[Summary, tuple[Row, ...]]:
    """The summary and rows of a group as such a figure has them: a message is one sample, the share of its images.

    So are its blind guesses. An image that nothing was guessed of is below the level; a message without a figure has
    none here either.
    """
    level = level_of(figure)
    assert level is not None
    shares = tuple(replace(_shares(row, level), metric=figure) for row in rows)
    return summary_of(replace(summary.group, metric=figure), shares), shares


def _shares(row: Row, level: float) -> Row:
    if not any(map(math.isfinite, row.per_sample)):
        return replace(row, unit=UNIT, threshold=math.nan)
    own, prior, no_access, class_mean, single_color, nearest_public = (
        _share(values, level) for values in (row.per_sample, *(getattr(row, name) for name in BESIDE))
    )
    return replace(
        row,
        unit=UNIT,
        threshold=math.nan,
        value=own,
        best=own,
        worst=own,
        per_sample=(own,),
        baseline=prior,
        prior_per_sample=(prior,),
        no_access=no_access,
        no_access_per_sample=(no_access,),
        class_mean=class_mean,
        class_mean_per_sample=(class_mean,),
        single_color=single_color,
        single_color_per_sample=(single_color,),
        nearest_public=nearest_public,
        nearest_public_per_sample=(nearest_public,),
    )


def _share(values: Sequence[float], level: float) -> float:
    """NaN where there is none to look at."""
    return sum(value >= level for value in values) / len(values) if values else math.nan
