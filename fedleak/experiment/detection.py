"""Trial of detection: an experiment whose checks report and refuse nothing, so that servers can be seen to the end."""

import copy

from fedleak.accounting.mechanism import cohort_of
from fedleak.contracts.defense import defenses
from fedleak.errors import ConfigError
from fedleak.experiment.campaign import Campaign
from fedleak.settings.base import Table
from fedleak.settings.server import ROWS


def reporting(tree: Table) -> Table:
    """The file with every check on `on_alarm = "report"`; raises `ConfigError` where it has no check or no server."""
    tree = copy.deepcopy(tree)
    tables = [tree, *(one for one in _tables(tree.get("vary")))]
    checks = [
        check
        for table in tables
        for row in _tables(table.get("defenses"))
        for check in _tables(row.get("chain"))
        if _is_check(check)
    ]
    if not checks:
        raise ConfigError(
            'defenses: expected a check of the received model to try, as in chain = [{ use = "weight-watch" }], got '
            "none; fedleak list defenses says which there are"
        )
    servers = [row for table in tables for row in _tables(table.get(ROWS))]
    if not any(row.get("chain") for row in servers) or all(row.get("chain") for row in servers):
        raise ConfigError(
            f"{ROWS}: expected a row that is honest and one that manipulates, to tell them apart, got "
            f"{', '.join(str(row.get('name')) for row in servers) or 'none'}"
        )
    for check in checks:
        check["on_alarm"] = "report"
    return tree


def require_enough(campaign: Campaign, rate: float) -> None:
    """Raises `ConfigError` where thresholds at a rate of false alarms take more honest models than there will be.

    Each seed's thresholds are set on models of the others, in the first round apart from later ones.
    """
    experiments = [point.experiment for point in campaign.points if point.split == "test"]
    for one in (one for one in experiments if not one.server.honest):
        needed = {"first round": one.server.begins == 1, "later rounds": one.federation.rounds > 1}
        for phase in (phase for phase, there in needed.items() if there):
            models = sum(
                cohort_of(other.federation) * (1 if phase == "first round" else other.federation.rounds - 1)
                for other in experiments
                if other.server.honest and other.seed != one.seed and other.task == one.task
            )
            if models < round(1 / rate):
                raise ConfigError(
                    f"--false-alarms {rate:g}: a threshold takes {round(1 / rate)} honest models of other seeds, and "
                    f"in the {phase} there are {models}; add seeds, rounds or clients to rows of an honest server, or "
                    "raise the rate"
                )


def _is_check(table: Table) -> bool:
    use = table.get("use")
    return isinstance(use, str) and any(cls.name == use and "received" in cls.acts_on for cls in defenses)


def _tables(value: object) -> list[Table]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
