"""All goals by name, in the order in which runs and reports go through them: images first."""

from collections.abc import Mapping

from fedleak.contracts.metric import Metric
from fedleak.goals.columns import Columns
from fedleak.goals.goal import Goal
from fedleak.goals.inputs import Inputs
from fedleak.goals.labels import Labels
from fedleak.goals.membership import Membership
from fedleak.goals.payload import Payload
from fedleak.goals.properties import Properties
from fedleak.goals.representatives import Representatives
from fedleak.goals.secrets import Secrets

GOALS: Mapping[str, Goal] = {
    goal.name: goal
    for goal in (Inputs(), Labels(), Membership(), Properties(), Representatives(), Columns(), Secrets(), Payload())
}
"""One for each `Kind`."""


def goal_of(metric: Metric | type[Metric]) -> Goal:
    """The goal that a metric judges."""
    return GOALS[metric.compares]
