"""What a chain of an experiment is audited for, and the row that comes of it."""

import math
import time
from dataclasses import dataclass

from fedleak.accounting.declared import Declared
from fedleak.accounting.mechanism import Vantage
from fedleak.dp_audit.measure import Measured
from fedleak.dp_audit.normal_scores import Estimate
from fedleak.dp_audit.options import AuditOptions
from fedleak.dp_audit.verdict import Claim, Judged
from fedleak.experiment.experiment import Experiment
from fedleak.results.dp_row import DPRow

_NOTHING = Estimate(value=math.nan, low=math.nan, high=math.nan)


@dataclass(frozen=True, kw_only=True)
class About:
    """What is known before anything is measured."""

    experiment: Experiment
    name: str
    """Of the chain."""
    view: Vantage
    declared: Declared | None
    delta: float
    options: AuditOptions
    started: float
    """By the monotonic clock."""

    def row(self, judgement: Judged, claim: Claim | None = None, found: Measured | None = None) -> DPRow:
        """What the audit says; without a claim nothing was measured."""
        options, declared, guarantee = self.options, self.declared, claim.subject.guarantee if claim else None
        release = found.mu.epsilon(self.delta) if found else _NOTHING
        run = claim.run(found.mu) if claim and found else _NOTHING
        return DPRow(
            task=self.experiment.task.label,
            defense=self.name,
            view=self.view,
            terms=guarantee.terms(self.delta) if guarantee else "",
            delta=self.delta,
            declared=declared.epsilon if declared else math.nan,
            declared_delta=declared.delta if declared else math.nan,
            declared_of=("run" if declared.over_run else "round") if declared else "",
            rounds=self.experiment.federation.rounds,
            accounted=claim.accounted if claim else math.nan,
            accounted_run=guarantee.epsilon(self.delta) if guarantee else math.nan,
            ideal=claim.subject.ideal(self.delta) if claim else math.nan,
            measured=release.value,
            low=release.low,
            high=release.high,
            bound=found.whatever_the_mechanism(self.delta, options.confidence) if found else math.nan,
            by_errors=found.by_errors(self.delta, options.confidence) if found else math.nan,
            by_guesses=found.by_guesses(self.delta, options.confidence) if found else math.nan,
            one_shot=found.one_shot(self.delta) if found else math.nan,
            least=judgement.least,
            measured_run=run.value,
            low_run=run.low,
            high_run=run.high,
            confidence=options.confidence,
            verdict_confidence=options.verdict_confidence,
            canaries=claim.subject.per_release if claim else 0,
            releases=len(found.scores) if found else 0,
            verdict=judgement.verdict,
            cause=judgement.cause,
            sentence=judgement.sentence,
            seed=options.seed,
            seconds=time.monotonic() - self.started,
            setting={},
        )
