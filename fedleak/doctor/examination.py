"""All that the doctor looks at, in the order of the table."""

from pathlib import Path

from fedleak.doctor.check import Check
from fedleak.doctor.data_sets import check_data
from fedleak.doctor.machine import check_machine
from fedleak.doctor.plugins import check_plugins
from fedleak.doctor.software import check_needed, check_optional


def examine(runs: Path) -> list[Check]:
    """Every check; `runs` is the folder that runs are written to."""
    return [*check_needed(), *check_machine(runs), *check_data(), *check_plugins(), *check_optional()]


def healthy(checks: list[Check]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(check.state != "missing" for check in checks)
