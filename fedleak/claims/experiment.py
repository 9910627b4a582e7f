"""Experiment: its chains of defenses as claims, by what they prove of the run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedleak.accounting.guarantee import DELTA, Guarantee, Proven, Unproven
from fedleak.accounting.mechanism import Mechanism
from fedleak.accounting.relations import RELATIONS, Accounted, Noised, Relation, accounted
from fedleak.accounting.sampling import Sample
from fedleak.analysis.guarantees import whole_guarantees_of
from fedleak.claims.claimed import Claimed, Figure
from fedleak.contracts.chain import Chain
from fedleak.errors import ConfigError
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.grid import load_campaign

SEEN = {
    "message": "the server, which sees single updates",
    "sum": "the server, which sees sums alone",
    "model": "those who see the averaged models alone",
}


def claims_of_experiment(path: Path, given: Mapping[str, Any]) -> tuple[Claimed, ...]:
    """The answer to each chain of an experiment where it is tried; raises `ConfigError`."""
    if given:
        raise ConfigError(f"--set is for the fields of claims, and {path} is an experiment; change it there")
    campaign = load_campaign(path)
    tables = {row.name: row.chain for point in campaign.points for row in point.experiment.defenses}
    return tuple(
        _claimed(name, where.words, Chain.build(tables[name]), proven, _rounds(campaign))
        for (where, name), proven in whole_guarantees_of(campaign).items()
    )


def _rounds(campaign: Campaign) -> int:
    return max(point.experiment.rounds for point in campaign.points)


def _claimed(name: str, where: str, chain: Chain, proven: Proven | Unproven, rounds: int) -> Claimed:
    declared = next((one.declared for one in chain if one.declared is not None), None)
    delta = DELTA if declared is None else declared.delta
    common: dict[str, Any] = {
        "use": name, "where": where, "declared": declared, "rounds": rounds, "delta": delta,
    }  # fmt: skip
    if isinstance(proven, Unproven):
        return Claimed(**common, protects="client", against=SEEN["message"], wrong=(proven.reason,))
    if not isinstance(proven, Guarantee):
        return Claimed(**common, protects="example", against=SEEN["message"], wrong=(proven.sentence,))
    return Claimed(
        **common,
        protects=proven.mechanism.protects,
        against=SEEN[proven.view],
        figures=tuple(_figure(proven, one, delta) for one in RELATIONS),
        provided=(proven.sentence,),
    )


def _figure(proven: Guarantee, relation: Relation, delta: float) -> Figure:
    if relation == proven.mechanism.relation == "replace-one":
        return Figure(relation=relation, round=_own(proven.over(1), delta), run=_own(proven, delta))
    run = [part for one in proven.phases for part in _parts(one.mechanism, one.rounds)]
    return Figure(
        relation=relation,
        round=accounted(_parts(proven.mechanism, 1), delta, relation),
        run=accounted(run, delta, relation),
    )


def _own(proven: Guarantee, delta: float) -> Accounted:
    credit = "secret samples without replacement" if proven.sampled(delta) else ""
    return Accounted(epsilon=proven.epsilon(delta), delta=delta, relation="replace-one", credit=credit)


def _parts(mechanism: Mechanism, rounds: int) -> list[Noised]:
    noise = mechanism.noise / mechanism.contribution if mechanism.contribution else 0.0
    fixed = Sample(size=1, population=1) if mechanism.protects == "example" else None  # of a batch, whose size all know
    return [Noised(noise_multiplier=noise, sampling=mechanism.sample or fixed, count=rounds * mechanism.releases)]
