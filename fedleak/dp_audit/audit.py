"""DP audit of an experiment: each chain of defenses by canaries, against what it declares and what is accounted for."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pkgutil import resolve_name

from jaxtyping import Int
from torch import Tensor

from fedleak.accounting.declared import Declared
from fedleak.accounting.gaussian import epsilon_of
from fedleak.accounting.guarantee import DELTA, Guarantee, Unproven
from fedleak.accounting.mechanism import Vantage
from fedleak.contracts.chain import Chain
from fedleak.dp_audit.example_canaries import Draw
from fedleak.dp_audit.measure import Measured, measure, rounds_for
from fedleak.dp_audit.participation import participation
from fedleak.dp_audit.probes import Found, corrected, probes_of_messages, probes_of_sums
from fedleak.dp_audit.subject import Subject
from fedleak.dp_audit.verdict import Claim, Judged, judged
from fedleak.errors import ConfigError
from fedleak.experiment.experiment import Experiment
from fedleak.federation.plan import FederationPlan
from fedleak.results.dp_row import DPRow
from fedleak.tasks import hardened

SAMPLER = "fedleak.clients.share:chosen_of"


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """How an audit measures."""

    canaries: int | None = None
    """Clients that are canaries; None: all."""
    error: float = 0.04
    """Standard error of epsilon as a share of it, which rounds are chosen for."""
    rounds: int | None = None
    """In place of as many as the error asks for."""
    confidence: float = 0.95
    verdict_confidence: float = 0.99
    delta: float | None = None
    """None: the declared one, or 1e-5."""
    seed: int = 0
    jobs: int = 1


@dataclass(frozen=True, kw_only=True)
class Audited:
    """A row, and the scores behind it."""

    row: DPRow
    measured: Measured | None
    claim: Claim | None


def audited(experiment: Experiment, options: AuditOptions, saying: Callable[[str], None]) -> Iterator[Audited]:
    """Each chain of the experiment that has defenses; `saying` hears which one is next."""
    if experiment.federation.split is not None:
        raise ConfigError(
            'expected clients that hold rows, got federation.partition = "columns", where nothing is summed'
        )
    require_canaries(options.canaries, experiment.federation.clients)
    for place, named in enumerate(experiment.defenses):
        if named.chain:
            saying(named.name)
            yield audit_chain(experiment, named.name, Chain.build(named.chain, f"defenses.{place}.chain"), options)


def require_canaries(canaries: int | None, clients: int) -> None:
    """Raises `ConfigError` where there are more than clients, or none."""
    if canaries is not None and not 1 <= canaries <= clients:
        raise ConfigError(
            f"expected at most as many canaries as clients, federation.clients = {clients}, got {canaries}; lower "
            "--canaries or add clients"
        )


def audit_chain(experiment: Experiment, name: str, chain: Chain, options: AuditOptions) -> Audited:
    """One chain, as it is written."""
    started = time.monotonic()
    declared = next((defense.declared for defense in chain if defense.declared is not None), None)
    planned = chain.planned(experiment.phases)
    view = view_of(planned, experiment)
    task = hardened(experiment.task, planned)
    proven = planned.guarantee((experiment.federation,), task, view=view)
    delta = options.delta or (declared.delta if declared else DELTA)
    if not isinstance(proven, Guarantee):
        why = proven.reason if isinstance(proven, Unproven) else f"{proven.sentence}, which adds no normal noise"
        judgement = Judged(verdict="no claim", cause="", sentence=f"nothing is claimed that could be measured: {why}")
        return Audited(
            row=_row(experiment, name, view, declared, delta, options, judgement, started), measured=None, claim=None
        )
    subject = Subject(
        name=name,
        task=task,
        settings=experiment.task,
        chain=planned,
        federation=planned.settings(experiment.federation),
        view=view,
        guarantee=proven,
        declared=declared,
        canaries=options.canaries or experiment.federation.clients,
        seed=options.seed,
        drawn=_sampler(experiment, chain, options.seed),
    )
    claim = Claim(subject=subject, delta=delta)
    found, judgement = _judged(claim, options)
    row = _row(experiment, name, view, declared, delta, options, judgement, started, claim, found)
    return Audited(row=row, measured=found, claim=claim)


def view_of(chain: Chain, experiment: Experiment) -> Vantage:
    """What the server sees; the next model alone where that is all that the chain claims something of."""
    seen: Vantage = "message" if chain.protocol is None else chain.protocol.reveals
    task = hardened(experiment.task, chain)
    phases = (experiment.federation,)
    if isinstance(chain.guarantee(phases, task, view=seen), Guarantee):
        return seen
    return "model" if isinstance(chain.guarantee(phases, task, view="model"), Guarantee) else seen


def _judged(claim: Claim, options: AuditOptions) -> tuple[Measured, Judged]:
    subject = claim.subject
    rounds = options.rounds or rounds_for(subject, claim.delta, options.error)
    found = measure(subject, rounds, options.confidence, options.jobs)
    return found, judged(claim, found, _probes(claim, options.verdict_confidence), options.verdict_confidence)


def _probes(claim: Claim, confidence: float) -> Iterator[Found]:
    subject = claim.subject
    if subject.of_examples:
        yield from _of_samples(claim, confidence)
    else:
        probed = (probes_of_messages if subject.view == "message" else probes_of_sums)(subject, confidence)
        yield from probed.found


def _of_samples(claim: Claim, confidence: float) -> Iterator[Found]:
    """Where credit is taken for samples: over as many rounds as are tried, no more than the accountant has for them."""
    subject, sample = claim.subject, claim.subject.mechanism.sample
    if sample is None:
        return
    rounds, mu = participation(subject, sample.population, corrected(confidence))
    accounted = Guarantee(mechanism=subject.mechanism, rounds=rounds, defense=subject.guarantee.defense)
    if epsilon_of(claim.delta, mu) > accounted.epsilon(claim.delta):
        yield Found(
            cause="participation is no secret",
            mu=max(mu, 1.02 * subject.mu),
            sentence="rounds use the same examples again, so that whoever knows when can read them off without the "
            "credit for sampling",
        )


def _sampler(experiment: Experiment, chain: Chain, seed: int) -> Draw | None:
    """Which examples of its share a client of a run uses."""
    if experiment.federation.batches == "all":
        return None
    plan = FederationPlan(
        **{name: getattr(experiment, name) for name in ("task", "federation", "model", "adversary", "utility")},
        seed=seed,
        chain=tuple(chain.tables),
        recordings="",
        vault="",
    )
    clients = experiment.federation.clients

    def drawn(client: int, round: int) -> Int[Tensor, " batch"]:
        reseeded = plan.model_copy(update={"seed": seed + client // clients})
        places: Int[Tensor, " batch"] = resolve_name(SAMPLER)(reseeded, client % clients, round)[0]
        return places

    return drawn


def _row(
    experiment: Experiment,
    name: str,
    view: str,
    declared: Declared | None,
    delta: float,
    options: AuditOptions,
    judgement: Judged,
    started: float,
    claim: Claim | None = None,
    found: Measured | None = None,
) -> DPRow:
    nothing = math.nan
    release = found.mu.epsilon(delta) if found else None
    run = claim.run(found.mu) if claim and found else None
    guarantee = claim.subject.guarantee if claim else None
    return DPRow(
        task=experiment.task.label,
        defense=name,
        view=view,
        terms=guarantee.terms(delta) if guarantee else "",
        delta=delta,
        declared=declared.epsilon if declared else nothing,
        declared_delta=declared.delta if declared else nothing,
        declared_of=("run" if declared.over_run else "round") if declared else "",
        rounds=experiment.federation.rounds,
        accounted=claim.accounted if claim else nothing,
        accounted_run=guarantee.epsilon(delta) if guarantee else nothing,
        ideal=claim.subject.ideal(delta) if claim else nothing,
        measured=release.value if release else nothing,
        low=release.low if release else nothing,
        high=release.high if release else nothing,
        bound=found.whatever_the_mechanism(delta, options.confidence) if found else nothing,
        measured_run=run.value if run else nothing,
        low_run=run.low if run else nothing,
        high_run=run.high if run else nothing,
        confidence=options.confidence,
        verdict_confidence=options.verdict_confidence,
        canaries=claim.subject.per_release if claim else 0,
        releases=len(found.scores) if found else 0,
        verdict=judgement.verdict,
        cause=judgement.cause,
        sentence=judgement.sentence,
        seed=options.seed,
        seconds=time.monotonic() - started,
    )
