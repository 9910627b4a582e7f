"""Federation rows: what a federation was good for and what it took, a row for each round."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict

from fedleak.accounting.mechanism import cohort_of
from fedleak.campaign.federation_job import Federated
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulated import built
from fedleak.errors import Dropout, ModelRefused
from fedleak.evaluation.released import tested
from fedleak.experiment.campaign import Point
from fedleak.experiment.canonical import acting_tables
from fedleak.experiment.experiment import Experiment, NamedDefense
from fedleak.federation.outcome import SETTLED, UNKNOWN_COST, Evaluation
from fedleak.processes.home import at_home
from fedleak.recording.files import read_recording
from fedleak.results.check_row import CheckRow
from fedleak.results.federation_row import FederationRow
from fedleak.results.schema import MODEL
from fedleak.results.seen import Seen, seen_text
from fedleak.runs.folder import RunFolder, stem_name


def federation_rows(
    point: Point, defense: str, federated: Federated, left: Evaluation | None = None, clean: Evaluation | None = None
) -> list[FederationRow]:
    """What the federation was good for and what it took, a row for each round; none where it only sets thresholds.

    `left`: how good the models are that left in some rounds, where a defense changed them; see `tested_releases`.
    `clean`: what its twin of clean code was good for.
    """
    if point.split == "calibration":
        return []
    experiment = point.experiment
    evaluation = {round: {**found, **(left or {}).get(round, {})} for round, found in federated.evaluation.items()}
    return [
        FederationRow(
            task=experiment.task.label,
            setting=point.setting,
            federation=point.federation,
            split=point.split,
            defense=defense,
            server=experiment.server.name,
            seed=experiment.seed,
            round=round,
            recorded=round <= experiment.federation.rounds,
            messages=sum(own == round and who != MODEL for own, who in federated.messages),
            failures=_silent(federated, round),
            lost=_lost(federated, round, cohort_of(experiment.federation)),
            alarms=len({alarm.client for alarm in federated.alarms if alarm.round == round}),
            refused=len(_refusers(federated, round)),
            disbelieved=_disbelieved(federated, experiment, round),
            manipulated=_manipulated(experiment, round),
            seen=seen_text(_seen(federated, round)),
            accuracy=evaluation.get(round, {}).get("accuracy", float("nan")),
            clean_accuracy=(clean or {}).get(round, {}).get("accuracy", float("nan")),
            loss=evaluation.get(round, {}).get("loss", float("nan")),
            trivial=evaluation.get(round, {}).get("trivial", float("nan")),
            settled=int(evaluation.get(round, {}).get(SETTLED, 0)),
            **asdict(federated.costs.get(round, UNKNOWN_COST)),
            seconds=federated.seconds,
        )
        for round in range(1, _last_round(point, federated.evaluation) + 1)
    ]


def check_rows(point: Point, defense: str, federated: Federated) -> list[CheckRow]:
    """What clients' checks measured, a row for each figure.

    Of a seed that only sets thresholds one client's of each round: all were sent one model.
    """
    experiment, server = point.experiment, point.experiment.server
    does = built(server.chain)
    cohorts: dict[int, set[int]] = {}
    for one in federated.figures:
        cohorts.setdefault(one.round, set()).add(one.client)
    raised = {(alarm.client, alarm.round, alarm.defense) for alarm in federated.alarms}

    def crafted(client: int, round: int) -> bool:
        return round >= server.begins and any(each.crafts_for(client, cohorts[round]) for each in does)

    return [
        CheckRow(
            task=experiment.task.label,
            defense=defense,
            server=server.name,
            seed=experiment.seed,
            split=point.split,
            round=one.round,
            client=one.client,
            crafted=crafted(one.client, one.round),
            check=one.defense,
            statistic=statistic,
            value=value,
            alarm=(one.client, one.round, one.defense) in raised,
            seconds=one.seconds,
            federation=point.federation,
            setting=point.setting,
        )
        for one in federated.figures
        if point.split != "calibration" or one.client == min(cohorts[one.round])
        for statistic, value in one.statistics.items()
    ]


def tested_releases(
    folder: RunFolder, point: Point, row: NamedDefense, federated: Federated, broke: Callable[[str, Exception], None]
) -> Evaluation:
    """Loss and accuracy of what has left by each round that was tested, where defenses change a model before it leaves.

    A model that left stays as good as it is, however much longer the federation trains. Both are NaN where a defense
    failed, of which `broke` is told: it costs this row and no other.
    """
    chain = Chain.build(tuple(acting_tables(point.experiment, row)))
    if not any("release" in defense.acts_on for defense in chain):
        return {}
    recordings = folder.recordings(row.name, point.federation)
    stems = {
        round: recordings / f"round-{round:04d}" / stem_name(MODEL) for round, who in federated.messages if who == MODEL
    }
    title = " ".join(filter(None, [row.name, point.federation]))
    found: Evaluation = {}
    for round, stem in stems.items():
        try:
            found[round] = at_home(point.experiment.task.home, tested, read_recording(stem), chain)
        except Exception as error:  # noqa: BLE001  a bug of a defense costs its row, as one in training does
            broke(f"{title}, the model that left after round {round}", error)
            found[round] = {"loss": math.nan, "accuracy": math.nan}
    latest = {round: max((one for one in found if one <= round), default=None) for round in federated.evaluation}
    return {round: found[one] for round, one in latest.items() if one is not None}


def good_for(
    folder: RunFolder,
    point: Point,
    row: NamedDefense,
    federated: Federated | None,
    broke: Callable[[str, Exception], None],
) -> Evaluation:
    """What a federation was good for, with its models as they left it; nothing where there is none."""
    if federated is None:
        return {}
    left = tested_releases(folder, point, row, federated, broke)
    return {round: {**found, **left.get(round, {})} for round, found in federated.evaluation.items()}


def _seen(federated: Federated, round: int) -> Iterator[Seen]:
    """What each check saw, and at how many clients."""
    own = [alarm for alarm in federated.alarms if alarm.round == round]
    for check in dict.fromkeys(alarm.defense for alarm in own):
        alarms = [alarm for alarm in own if alarm.defense == check]
        yield Seen(check, len({alarm.client for alarm in alarms}), alarms[0].sentence)


def _lost(federated: Federated, round: int, cohort: int) -> bool:
    """Whether a round came to no end for all, be it that nobody would train on the model."""
    left = {failure.client for failure in federated.failures if failure.round == round}
    return None in left or (bool(_refusers(federated, round)) and len(left) >= cohort)


def _refusers(federated: Federated, round: int) -> set[int]:
    """The clients that left a round because their checks refused the model."""
    own = (failure for failure in federated.failures if failure.round == round)
    return {one.client for one in own if one.client is not None and one.reason.startswith(ModelRefused.__name__)}


def _disbelieved(federated: Federated, experiment: Experiment, round: int) -> int:
    """How many clients refused a lie: they failed as the experiment asks, and left for no other reason."""
    server = experiment.server
    if round < server.begins or not any(one.lies for one in built(server.chain)):
        return 0
    left = [one for one in federated.failures if one.round == round and one.client is not None and one.planned]
    leaving = (Dropout.__name__, ModelRefused.__name__)
    return len({one.client for one in left if not one.reason.startswith(leaving)})


def _manipulated(experiment: Experiment, round: int) -> bool:
    """Whether clients were sent more than a mean in a round: a network that a server ships is there from the start."""
    if experiment.server.honest or round > experiment.federation.rounds:
        return False
    return round >= experiment.server.begins or any(one.ships for one in built(experiment.server.chain))


def _silent(federated: Federated, round: int) -> int:
    """How many clients sent nothing in a round."""
    unsent = sum(own == round and not isinstance(who, str) for own, who in federated.unsent)
    failed = {failure.client for failure in federated.failures if failure.round == round}
    sent = {who for own, who in federated.messages if own == round}
    return unsent + len(failed - sent - {None})


def _last_round(point: Point, evaluation: Evaluation) -> int:
    """The one that training ended in: where the accuracy no longer rose, or the last there was to be."""
    return next((round for round, found in evaluation.items() if SETTLED in found), point.rounds)
