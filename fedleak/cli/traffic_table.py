"""Traffic table: a table for each setting, a line for each detector on each attack."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from fedleak.cli.results_table import interval_facts
from fedleak.formatting import figure
from fedleak.statistics.roc import Share
from fedleak.traffic.audit import AttackTraffic, Audit
from fedleak.traffic.detection import Detection
from fedleak.traffic.private_costs import PrivateCost
from fedleak.traffic.unseen import blocked_in_words

NOTE = (
    "caught: the true positive rate at 1% false alarms, with its 95% interval, of streams as long as a benign user's "
    "where a detector judges users (prada), else of single queries; AUC: .5 tells nothing from benign users; alarms: "
    "the share that the detector refuses with its defaults, and below it of benign users; blocked after: queries until "
    "it first refuses one, the median over cells, and below it in how many cells it does; unsure: queries whose top "
    "confidence is below that of 99 of 100 benign ones"
)


def traffic_tables(audit: Audit) -> list[Table]:
    """In the order of the results."""
    conditions = dict.fromkeys(one.condition for one in audit.traffic)
    return [
        _table(condition.words, [one for one in audit.traffic if one.condition == condition])
        for condition in conditions
    ]


def traffic_facts(audit: Audit) -> list[dict[str, Any]]:
    """The same as plain data, an attack under a defense and setting each."""
    return [
        {
            "condition": one.condition.words,
            "defense": one.defense,
            "attack": one.attack,
            "cells": one.cells,
            "queries": one.queries,
            "refused": one.refused,
            **interval_facts("unsure", one.unsure.mean, one.unsure.interval),
            "unseen": one.unseen,
            "detectors": [_facts(found) for found in one.detections],
        }
        for one in audit.traffic
    ]


def _facts(found: Detection) -> dict[str, Any]:
    return {
        "detector": found.detector,
        "judges": found.judges,
        "trials": found.trials,
        "shortest": found.length[0],
        "longest": found.length[1],
        "benign_trials": found.benign,
        **interval_facts("tpr_at_1_percent", found.caught.mean, found.caught.interval),
        **interval_facts("auc", found.auc.mean, found.auc.interval),
        "interval": found.caught.interval.method,
        **interval_facts("refused", found.refused.mean, found.refused.interval),
        "false_alarms": found.false_alarms,
        "blocked_after": found.blocked_after,
        "blocked_cells": found.blocked,
        "roc": found.curve,
    }


def _table(title: str, traffic: list[AttackTraffic]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title=title, title_justify="left")
    table.add_column("attack,\ndetector")
    for name in ("caught", "AUC", "alarms", "blocked\nafter"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in traffic:
        table.add_row(_attack(one))
        for found in one.detections:
            table.add_row(
                f"  {found.detector}",
                _share(found.caught),
                _share(found.auc),
                f"{figure(found.refused.mean)}\n{figure(found.false_alarms)}",
                f"{blocked_in_words(found)}\n{found.blocked}/{one.cells}",
            )
    return table


def _attack(one: AttackTraffic) -> Text:
    refused = f", {figure(one.refused)} refused" if one.refused else ""
    asked = f"asked {one.queries:,.0f}{refused}, {figure(one.unsure.mean)} unsure"
    return Text.assemble((one.attack, "bold"), (f"\nunder {one.defense}\n{asked}", "dim"))


def _share(found: Share) -> Text:
    low, high = found.interval.low, found.interval.high
    ends = "" if math.isnan(low) else f"\n[{figure(low)}, {figure(high)}]"
    return Text.assemble(figure(found.mean), (ends, "dim"))


def private_table(costs: Sequence[PrivateCost]) -> Table:
    """What answers took that no operator saw, a line for each attack."""
    title = "unseen by the operator: of one answer seconds and bytes, and bytes once a service"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title=title, title_justify="left")
    table.add_column("attack,\ncomputed", overflow="fold")
    for name in ("seconds", "up", "down", "between", "once", "score\noff by"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in costs:
        computed, *figures = one.words
        about = f"\nunder {one.defense}\n{one.condition.words}\n{computed}"
        table.add_row(Text.assemble((one.attack, "bold"), (about, "dim")), *figures)
    return table


def private_facts(costs: Sequence[PrivateCost]) -> list[dict[str, Any]]:
    """The same as plain data, the cost of all answers together."""
    return [
        {
            "condition": one.condition.words,
            "defense": one.defense,
            "algorithm": one.algorithm,
            "attack": one.attack,
            "cells": one.cells,
            "queries": one.queries,
            **asdict(one.cost),
        }
        for one in costs
    ]
