"""Refuses rules that look at the samples that leak least to forbid leakage: they hold while other samples leak."""

from fedleak.errors import ConfigError
from fedleak.gate.rule import Aggregate, Operator, number_text
from fedleak.gate.policy import Rule
from fedleak.metric import metrics

MIDDLE = 50.0
UPPER: tuple[Operator, ...] = ("<", "<=")
LOWER: tuple[Operator, ...] = (">", ">=")


def refuse_quiet_tail(rule: Rule, where: str) -> None:
    """Raises `ConfigError` for such a rule; the middle, the mean and every share are about all samples."""
    figure, operator = rule.assertion.figure, rule.assertion.operator
    known = {cls.name: cls for cls in metrics}
    if figure.aggregate is None or figure.name not in known:
        return
    higher = known[figure.name].higher_is_better
    place = _place(figure.aggregate)
    quiet = place < MIDDLE if higher else place > MIDDLE
    if quiet and operator in (UPPER if higher else LOWER):
        raise ConfigError(
            f"{where}, column {figure.column}: {figure.name} leaks more when {'higher' if higher else 'lower'}; "
            f"{figure.aggregate} is the samples that leak least: did you mean {_mirrored(figure.aggregate)} or worst?"
        )


def _place(aggregate: Aggregate) -> float:
    """As a percentile."""
    places = {"min": 0.0, "max": 100.0, "percentile": aggregate.number or 0.0}
    return places.get(aggregate.name, MIDDLE)


def _mirrored(aggregate: Aggregate) -> str:
    """The aggregate at the other end."""
    others = {"min": "max", "max": "min"}
    return others.get(aggregate.name) or f"p{number_text(round(100 - (aggregate.number or 0.0), 3))}"
