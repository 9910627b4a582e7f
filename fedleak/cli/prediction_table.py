"""Prediction table: how well each indicator foretold the attacks of a run, in the width of a terminal."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from fedleak.profile.indicators import Indicator
from fedleak.profile.prediction import Prediction
from fedleak.results.schema import finite_or_null
from fedleak.statistics.correlation import Correlation

NAMES, CELL = 18, 24
"""Widths of the columns: the indicator's name, and a correlation with its interval."""
CAPTION = "in brackets: the sign to expect, and the 95% interval; bold where it leaves out zero"
WITHIN = "; the second line is within each task alone, where an indicator must do more than tell tasks apart"
CHANCE = 0.05
"""Of an interval that leaves out zero where there is nothing."""


def prediction_tables(prediction: Prediction, width: int = 80) -> list[Table]:
    """One table, or several where the attacks do not fit side by side."""
    fitting = max(1, (width - NAMES) // CELL)
    attacks = prediction.attacks
    return [_table(prediction, attacks[i : i + fitting]) for i in range(0, len(attacks), fitting)]


def best_lines(prediction: Prediction) -> Iterator[str]:
    """What to read off the table, and what is not in it."""
    varying = prediction.varying_indicators()
    for attack in prediction.attacks:
        yield _best(prediction, attack, varying)
    if not prediction.points:
        yield f"no attack of this run has a figure by {prediction.metric}: nothing to hold the indicators against"
    elif varying:
        yield (
            f"{len(varying)} indicators vary; "
            f"of so many about {len(varying) * CHANCE:.1f} would leave out zero by chance. "
            "`examples` and `entries a pixel` need no measuring: what does not beat them is not worth it"
        )
    for line in prediction.left_out:
        yield f"left out: {line}"


def prediction_facts(prediction: Prediction) -> dict[str, Any]:
    """Everything as plain data."""
    return {
        "metric": prediction.metric,
        "unit": prediction.unit,
        "correlations": [
            {"indicator": one.name, "attack": attack, "expected": one.expected, **_facts(prediction, one, attack)}
            for attack in prediction.attacks
            for one in prediction.varying_indicators()
        ],
        "points": [
            {
                "attack": point.attack,
                "task": point.task,
                "setting": point.setting,
                **point.message._asdict(),
                "gain": point.gain,
                "indicators": {name: finite_or_null(value) for name, value in point.values.items()},
            }
            for point in prediction.points
        ],
        "left_out": list(prediction.left_out),
    }


def _table(prediction: Prediction, attacks: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    gain = f"rank correlation with {prediction.metric} gain"
    table.add_column("indicator", no_wrap=True)
    for attack in attacks:
        points = sum(point.attack == attack for point in prediction.points)
        table.add_column(f"{attack}\n{points} points", justify="right")
    table.title, table.title_justify = gain, "left"
    for indicator in prediction.varying_indicators():
        expected = "+" if indicator.expected > 0 else "-"
        table.add_row(f"{indicator.name} ({expected})", *(_cell(prediction, indicator, attack) for attack in attacks))
    table.caption = CAPTION + (WITHIN if len(prediction.tasks) > 1 else "")
    table.caption_justify = "left"
    return table


def _cell(prediction: Prediction, indicator: Indicator, attack: str) -> Text:
    over_all = _correlation(prediction.correlation(indicator, attack), indicator)
    if len({point.task for point in prediction.points if point.attack == attack}) < 2:
        return over_all
    within = _correlation(prediction.within[indicator.name, attack], indicator)
    return Text.assemble(over_all, "\n", within)


def _correlation(correlation: Correlation, indicator: Indicator) -> Text:
    if math.isnan(correlation.value):
        return Text("-", style="dim")
    style = ("bold" if correlation.value * indicator.expected > 0 else "bold yellow") if correlation.sure else "dim"
    interval = correlation.interval
    beside = interval.method if math.isnan(interval.low) else f"[{interval.low:+.2f}, {interval.high:+.2f}]"
    return Text.assemble((f"{correlation.value:+.2f} ", style), (beside, "dim"))


def _best(prediction: Prediction, attack: str, varying: tuple[Indicator, ...]) -> str:
    """The indicator that foretells best: within the tasks, where there are several."""
    several = len(prediction.tasks) > 1
    known = {one: (prediction.within if several else prediction.correlations)[one.name, attack] for one in varying}
    where = " within each task" if several else ""
    sure = {one: own for one, own in known.items() if own.sure}
    if not sure:
        reasons = {own.interval.method for own in known.values() if math.isnan(own.interval.low)}
        few = next((reason for reason in reasons if reason.startswith("too few")), None)
        return f"{attack}: no indicator foretells it{where} beyond chance" + (f" ({few})" if few else "")
    best = max(sure, key=lambda one: abs(sure[one].value))
    own = sure[best]
    against = "" if own.value * best.expected > 0 else ", against what one would expect"
    return (
        f"{attack}: best foretold{where} by {best.name}, {own.value:+.2f} "
        f"[{own.interval.low:+.2f}, {own.interval.high:+.2f}], {own.interval.method}{against}"
    )


def _facts(prediction: Prediction, indicator: Indicator, attack: str) -> dict[str, Any]:
    within = prediction.within[indicator.name, attack]
    return {**_plain(prediction.correlation(indicator, attack)), "within_tasks": _plain(within)}


def _plain(own: Correlation) -> dict[str, Any]:
    interval = {key: finite_or_null(value) for key, value in asdict(own.interval).items()}
    return {"rho": finite_or_null(own.value), "interval": interval, "points": own.points, "units": own.units}
