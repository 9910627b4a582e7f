"""Calibration: further seeds whose honest rounds only set the thresholds that clients' checks are judged at."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from fedleak.contracts.defense import defenses
from fedleak.errors import ConfigError, did_you_mean, echo
from fedleak.experiment.campaign import Point
from fedleak.experiment.experiment import Experiment, NamedDefense
from fedleak.settings.base import Settings, Table

MOST_SEEDS = 10_000


class Calibration(Settings):
    """Seeds that set thresholds; they never count in a result."""

    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)]
    """How many, from the one after the greatest of the file on."""
    without: tuple[str, ...] = ()
    """Defenses that honest rounds do as well without, as a protocol whose sum is the mean all the same: time saved."""


def calibration_seeds(calibration: Calibration | None, others: Iterable[int]) -> tuple[int, ...]:
    """Seeds that are none of the `others`; none where nothing is calibrated."""
    first = max(others, default=-1) + 1
    return () if calibration is None else tuple(range(first, first + calibration.seeds))


def require_calibrated(experiments: Iterable[Experiment], calibration: Calibration) -> None:
    """Raises `ConfigError` where there is no check to set a threshold of, or nothing of a name that is left out."""
    tables = [table for one in experiments for row in one.defenses for table in row.chain]
    others = {str(table["use"]): None for table in tables if not is_check(table)}
    for name in (name for name in calibration.without if name not in others):
        raise ConfigError(
            f"calibration.without: expected defenses of this file that check no model, got {echo(name)}"
            f"{did_you_mean(name, others)}"
        )
    if not any(map(is_check, tables)):
        raise ConfigError(
            "calibration: expected a check of the received model to set thresholds of, as in chain = [{ use = "
            '"weight-watch" }], got none; leave [calibration] out, or see fedleak list defenses'
        )


def calibrating(point: Point, calibration: Calibration | None) -> Point:
    """The point without what sets no threshold, where it is of a seed that only calibrates."""
    if point.split != "calibration" or calibration is None:
        return point
    rows = tuple(_lean(row, calibration.without) for row in point.experiment.defenses if _is_checked(row))
    return replace(point, experiment=point.experiment.model_copy(update={"attacks": (), "defenses": rows}))


def is_check(table: Table) -> bool:
    """Whether a table of a chain is a check of the received model."""
    use = table.get("use")
    return isinstance(use, str) and any(cls.name == use and "received" in cls.acts_on for cls in defenses)


def _lean(row: NamedDefense, without: tuple[str, ...]) -> NamedDefense:
    return row.model_copy(update={"chain": tuple(table for table in row.chain if table.get("use") not in without)})


def _is_checked(row: NamedDefense) -> bool:
    return any(map(is_check, row.chain))
