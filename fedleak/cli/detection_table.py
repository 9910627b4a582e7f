"""Detection table: a table for each server, a line for each check, figure and phase; beside it what is recovered."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from fedleak.analysis.detection import ANY, Detected, FalseAlarms
from fedleak.analysis.recovered import Recovered
from fedleak.formatting import DASH, number
from fedleak.statistics.roc import Share

NOTE = (
    "AUC and found: of models that clients were sent crafted, beside honest ones of the same seed; found: the true "
    "positive rate by thresholds that honest models of a further seed are above in {rate} of cases at most, set on "
    "{seeds} other seeds; at: the share of the seed's own honest models above the same thresholds; alarms: the share "
    "by a check's own thresholds, all its figures together; means over seeds with 95% intervals; recovered: examples "
    "at 40 dB of PSNR or more, by the attack, on the messages and in the round where it is most"
)


SHARES = ("auc", "found", "realised", "alarms", "placed")


def detection_tables(
    found: Sequence[Detected], alarms: Sequence[FalseAlarms], left: Sequence[Recovered], seconds: dict[str, float]
) -> list[Table]:
    """Servers in the order of the results, then false alarms by kind of training, then what servers recover."""
    servers = dict.fromkeys((one.task, one.server, one.where) for one in found)
    tables = [_server_table(key, [one for one in found if (one.task, one.server, one.where) == key]) for key in servers]
    return [*tables, _alarm_table(alarms, seconds), *([_left_table(left)] if left else [])]


def detection_facts(
    found: Sequence[Detected], alarms: Sequence[FalseAlarms], left: Sequence[Recovered], seconds: dict[str, float]
) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "detection": [
            {
                **{
                    key: value
                    for key, value in asdict(one).items()
                    if key not in ("auc", "found", "realised", "alarms", "placed")
                },
                **_share_facts("auc", one.auc),
                **_share_facts("found", one.found),
                **_share_facts("realised", one.realised),
                **_share_facts("alarms", one.alarms),
            }
            for one in found
        ],
        "false_alarms": [
            {
                "task": one.task,
                "where": one.where,
                "defense": one.defense,
                "check": one.check,
                "models": one.models,
                **_share_facts("rate", one.rate),
                **_share_facts("own", one.own),
            }
            for one in alarms
        ],
        "recovered": [
            {
                "task": one.task,
                "where": one.where,
                "phase": one.phase,
                "server": one.server,
                "defense": one.defense,
                "attack": one.attack,
                "sender": one.sender,
                "round": one.round,
                "examples": one.examples,
                **_share_facts("share", one.share),
            }
            for one in left
        ],
        "seconds": seconds,
    }


def _share_facts(name: str, share: Share) -> dict[str, float | None]:
    low, high = share.interval.low, share.interval.high
    ends = (None, None) if math.isnan(low) else (low, high)
    return {name: share.mean, f"{name}_low": ends[0], f"{name}_high": ends[1]}


def _server_table(key: tuple[str, str, str], found: Sequence[Detected]) -> Table:
    table = Table(title=" · ".join(filter(None, key)), title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("defense", "check", "figure", "when"):
        table.add_column(name)
    for name in _figures(found[0]):
        table.add_column(name, justify="right")
    for one in found:
        style = "bold" if one.statistic == ANY else ""
        table.add_row(one.defense, one.check, one.statistic, one.phase, *_figures(one).values(), style=style)
    return table


def _figures(one: Detected) -> dict[str, str]:
    """By column."""
    return {
        "AUC": one.auc.words,
        "found": one.found.words,
        "at": one.realised.words,
        "alarms": _alarms(one),
        "models": str(one.models),
    }


def _alarms(one: Detected) -> str:
    return one.alarms.words if one.statistic == ANY else ""


def _alarm_table(alarms: Sequence[FalseAlarms], seconds: dict[str, float]) -> Table:
    table = Table(title="honest models", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("training", "defense", "check"):
        table.add_column(name)
    for name in ("false alarms", "by its own thresholds", "models", "ms a model"):
        table.add_column(name, justify="right")
    for one in alarms:
        where = ", ".join(filter(None, [one.task, one.where]))
        cost = number(1000 * seconds[one.check]) if one.check in seconds else DASH
        table.add_row(where, one.defense, one.check, one.rate.words, one.own.words, str(one.models), cost)
    return table


def _left_table(left: Sequence[Recovered]) -> Table:
    table = Table(title="what servers recover", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("server", "defense", "where", "attack", "on", "round"):
        table.add_column(name)
    for name in ("recovered", "of"):
        table.add_column(name, justify="right")
    for one in left:
        where = ", ".join(filter(None, [one.task, one.where]))
        table.add_row(
            one.server, one.defense, where, one.attack, one.sender, str(one.round), one.share.words, str(one.examples)
        )
    return table
