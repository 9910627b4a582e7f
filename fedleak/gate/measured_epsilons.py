"""Measured epsilons: what an audit by canaries shows of each chain, for rules about `epsilon.measured`."""

import math
from collections.abc import Sequence

from fedleak.gate.figures import groups_of
from fedleak.gate.measurement import MeasuredGroup, Measurement
from fedleak.results.dp_row import DPRow
from fedleak.results.federation_row import FederationRow
from fedleak.results.schema import setting_key

NOT_AUDITED = "nothing is measured: no audit of this run by `fedleak audit-dp RUN` has it"


def measure_audits(rows: Sequence[FederationRow], audits: Sequence[DPRow]) -> list[Measurement]:
    """For each task, setting and defense the epsilon of one release that canaries show at least.

    A claim that is broken, and one that nobody measured, is a problem of the figure: no bound makes up for that.
    """
    known = {(one.task, setting_key(one.setting), one.defense): one for one in audits}
    return [
        _measurement(group, len(seeds), known.get((group.task, group.setting, group.defense)))
        for group, seeds in groups_of(rows).items()
    ]


def _measurement(group: MeasuredGroup, seeds: int, audit: DPRow | None) -> Measurement:
    bare = audit is None or audit.verdict == "no claim"
    problem = NOT_AUDITED if audit is None else audit.sentence if audit.verdict in ("broken", "no claim") else ""
    return Measurement(
        group=group,
        value=math.inf if audit is None or bare or math.isnan(audit.least) else audit.least,
        unit="" if audit is None or bare else f"of one release at delta {audit.delta:g}, at least",
        interval=None,
        baselines={} if audit is None else {"epsilon.declared": audit.declared, "epsilon.accounted": audit.accounted},
        messages=0,
        seeds=seeds,
        problem=problem,
    )
