"""DP audit of an experiment: each chain of defenses by canaries, against what it declares and what is accounted for."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pkgutil import resolve_name

from jaxtyping import Int
from torch import Tensor

from fedleak.accounting.gaussian import epsilon_of
from fedleak.accounting.guarantee import DELTA, Guarantee, Proven, Unproven
from fedleak.accounting.mechanism import Vantage
from fedleak.accounting.sampling import Poisson, Sample
from fedleak.contracts.chain import Chain
from fedleak.dp_audit.about import About
from fedleak.dp_audit.example_canaries import Draw
from fedleak.dp_audit.measure import Measured, measure, rounds_for
from fedleak.dp_audit.options import AuditOptions
from fedleak.dp_audit.participation import participation
from fedleak.dp_audit.probes import Found, corrected, of_scores, probes_of_messages, probes_of_sums
from fedleak.dp_audit.subject import Subject
from fedleak.dp_audit.verdict import Claim, Judged, confirmed, judged, unclaimed
from fedleak.errors import ConfigError
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.experiment import Experiment
from fedleak.federation.plan import FederationPlan
from fedleak.formatting import counted, figure
from fedleak.results.dp_row import DPRow
from fedleak.results.schema import setting_key
from fedleak.settings.base import Scalar
from fedleak.tasks import hardened

SAMPLER = "fedleak.clients.share:chosen_of"


@dataclass(frozen=True, kw_only=True)
class Audited:
    """A row, and the scores behind it."""

    row: DPRow
    measured: Measured | None
    claim: Claim | None


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A chain that is to be audited."""

    name: str
    run: Callable[[], Audited]


@dataclass(frozen=True, kw_only=True)
class Alike:
    """Points of a campaign that do not differ in how clients train and what they are protected by."""

    experiment: Experiment
    settings: tuple[Mapping[str, Scalar], ...]
    """What varies, of each of the points."""

    def rows(self, row: DPRow) -> list[DPRow]:
        """The row for each of the settings."""
        return [replace(row, setting=dict(setting)) for setting in self.settings]


def points_of(campaign: Campaign) -> list[Alike]:
    """The points of a campaign, those together that one audit is enough for."""
    found: dict[str, list[Point]] = {}
    for point in campaign.points:
        key = point.experiment.model_dump_json(include={"task", "federation", "defenses", "utility", "model"})
        found.setdefault(key, []).append(point)
    return [
        Alike(
            experiment=points[0].experiment,
            settings=tuple({setting_key(point.setting): point.setting for point in points}.values()),
        )
        for points in found.values()
    ]


def audited(experiment: Experiment, options: AuditOptions) -> Iterator[Planned]:
    """Each chain of an experiment that has defenses; raises `ConfigError` where canaries have no place."""
    if experiment.federation.split is not None:
        raise ConfigError(
            'expected clients that hold rows, got federation.partition = "columns", where nothing is summed'
        )
    require_canaries(options.canaries, experiment.federation.clients)
    for place, named in enumerate(experiment.defenses):
        if named.chain:
            chain = Chain.build(named.chain, f"defenses.{place}.chain")
            yield Planned(name=named.name, run=partial(audit_chain, experiment, named.name, chain, options))


def require_canaries(canaries: int | None, clients: int) -> None:
    """Raises `ConfigError` where there are more than clients, or none."""
    if canaries is not None and not 1 <= canaries <= clients:
        raise ConfigError(
            f"expected at most as many canaries as clients, federation.clients = {clients}, got {canaries}; lower "
            "--canaries or add clients"
        )


def audit_chain(experiment: Experiment, name: str, chain: Chain, options: AuditOptions) -> Audited:
    """One chain, as it is written."""
    declared = next((defense.declared for defense in chain if defense.declared is not None), None)
    planned = chain.planned(experiment.phases)
    view, task = view_of(planned, experiment), hardened(experiment.task, planned)
    about = About(
        experiment=experiment,
        name=name,
        view=view,
        declared=declared,
        delta=options.delta or (declared.delta if declared else DELTA),
        options=options,
        started=time.monotonic(),
    )
    proven = _by_signs(planned.guarantee((experiment.federation,), task, view=view))
    if not isinstance(proven, Guarantee):
        return Audited(row=about.row(unclaimed(proven)), measured=None, claim=None)
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
    claim = Claim(subject=subject, delta=about.delta)
    found, judgement = _judged(claim, options)
    return Audited(row=about.row(judgement, claim, found), measured=found, claim=claim)


def _by_signs(proven: Proven | Unproven) -> Proven | Unproven:
    """What canaries can be held against: they have a sign by a coin, so that neighbors differ in what one of them is.

    That is replace-one, which says nothing of a claim under add-or-remove.
    """
    if isinstance(proven, Guarantee) and isinstance(proven.mechanism.sample, Poisson):
        return Unproven(
            f"canaries of either sign measure replace-one, and '{proven.defense}' claims {proven.terms(DELTA)}; its "
            "clip and noise are those that it has without sampling, which can be audited"
        )
    return proven


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
    judgement = judged(claim, found, _probes(claim, found, options.verdict_confidence), options.verdict_confidence)
    if judgement.verdict != "broken":
        return found, judgement
    other = replace(claim, subject=subject.reseeded("again"))
    again = measure(other.subject, rounds, options.confidence, options.jobs)
    second = judged(other, again, _probes(other, again, options.verdict_confidence), options.verdict_confidence)
    return found, confirmed(judgement, second)


def _probes(claim: Claim, measured: Measured, confidence: float) -> Iterator[Found]:
    subject = claim.subject
    if subject.of_examples:
        yield from _of_samples(claim, confidence)
        yield of_scores(subject, measured.scores, confidence)
    else:
        probed = (probes_of_messages if subject.view == "message" else probes_of_sums)(subject, confidence)
        yield from probed.found


def _of_samples(claim: Claim, confidence: float) -> Iterator[Found]:
    """Where credit is taken for samples: over as many rounds as are tried, no more than the accountant has for them."""
    subject, sample = claim.subject, claim.subject.mechanism.sample
    if not isinstance(sample, Sample):
        return
    rounds, mu = participation(subject, sample.population, corrected(confidence))
    accounted = Guarantee(mechanism=subject.mechanism, rounds=rounds, defense=subject.guarantee.defense)
    shown, most = epsilon_of(claim.delta, mu), accounted.epsilon(claim.delta)
    if shown > most:
        yield Found(
            cause="participation is no secret",
            mu=0.0,
            breaks=f"epsilon of {counted(rounds, 'round')} together is at least {figure(shown)} where {figure(most)} "
            "is accounted for",
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
