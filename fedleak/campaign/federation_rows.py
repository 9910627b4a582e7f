"""Federation rows: what a federation was good for and what it took, a row for each round."""

from dataclasses import asdict

from fedleak.campaign.federation_job import Federated
from fedleak.experiment.campaign import Point
from fedleak.federation.outcome import SETTLED, UNKNOWN_COST, Evaluation
from fedleak.results.federation_row import FederationRow
from fedleak.results.schema import MODEL


def federation_rows(point: Point, defense: str, federated: Federated) -> list[FederationRow]:
    """What the federation was good for and what it took, a row for each round."""
    experiment = point.experiment
    return [
        FederationRow(
            task=experiment.task.label,
            setting=point.setting,
            federation=point.federation,
            split=point.split,
            defense=defense,
            seed=experiment.seed,
            round=round,
            recorded=round <= experiment.federation.rounds,
            messages=sum(own == round and who != MODEL for own, who in federated.messages),
            failures=_silent(federated, round),
            lost=any(failure.client is None and failure.round == round for failure in federated.failures),
            accuracy=federated.evaluation.get(round, {}).get("accuracy", float("nan")),
            loss=federated.evaluation.get(round, {}).get("loss", float("nan")),
            trivial=federated.evaluation.get(round, {}).get("trivial", float("nan")),
            settled=int(federated.evaluation.get(round, {}).get(SETTLED, 0)),
            **asdict(federated.costs.get(round, UNKNOWN_COST)),
            seconds=federated.seconds,
        )
        for round in range(1, _last_round(point, federated.evaluation) + 1)
    ]


def _silent(federated: Federated, round: int) -> int:
    """How many clients sent nothing in a round."""
    unsent = sum(own == round and not isinstance(who, str) for own, who in federated.unsent)
    failed = {failure.client for failure in federated.failures if failure.round == round}
    sent = {who for own, who in federated.messages if own == round}
    return unsent + len(failed - sent - {None})


def _last_round(point: Point, evaluation: Evaluation) -> int:
    """The one that training ended in: where the accuracy no longer rose, or the last there was to be."""
    return next((round for round, found in evaluation.items() if SETTLED in found), point.rounds)
