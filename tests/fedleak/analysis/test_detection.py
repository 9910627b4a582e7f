"""Detection: thresholds of other seeds, crafted models beside honest ones of the same seed."""

import random
from collections.abc import Iterator

import pytest

from fedleak.analysis.detection import ANY, attainable, detected, false_alarms, seconds_of
from fedleak.errors import ConfigError
from fedleak.results.check_row import CheckRow


def row(seed: int, client: int, value: float, **changes: object) -> CheckRow:
    server = str(changes.get("server", "honest"))
    usual: dict[str, object] = {
        "task": "t",
        "defense": "watched",
        "server": server,
        "seed": seed,
        "split": "test",
        "round": 2,
        "client": client,
        "crafted": server != "honest",
        "check": "weight-watch",
        "statistic": "change",
        "value": value,
        "seconds": 0.5,
        "federation": f"server={server} seed={seed}",
        "setting": {"server": server, "batch": 8},
    }
    return CheckRow(**{**usual, **changes})  # type: ignore[arg-type]


def honest(seeds: int = 20, clients: int = 10, first: int = 0, **changes: object) -> Iterator[CheckRow]:
    """Of each client a model of its own."""
    draw = random.Random(0)
    for seed in range(first, first + seeds):
        for client in range(clients):
            yield row(seed, client, draw.random(), **changes)


def crafted(values: list[float], **changes: object) -> Iterator[CheckRow]:
    for seed in range(3):
        for client, value in enumerate(values):
            yield row(seed, 500 + client, value, server="imprint", **changes)


def test_models_beyond_all_honest_ones_are_all_found() -> None:
    (found,) = detected([*honest(), *crafted([2.0, 3.0])], 0.05)
    assert (found.server, found.phase, found.statistic, found.models) == ("imprint", "later rounds", "change", 6)
    assert found.auc.mean == 1.0
    assert found.found.mean == 1.0


def test_models_like_honest_ones_are_found_as_often_as_there_are_false_alarms() -> None:
    draw = random.Random(1)
    (found,) = detected([*honest(clients=100), *crafted([draw.random() for _ in range(400)])], 0.05)
    assert found.auc.mean == pytest.approx(0.5, abs=0.06)
    assert found.found.mean < 0.05


def test_models_below_the_usual_ones_are_not_found() -> None:
    (found,) = detected([*honest(), *crafted([-1.0])], 0.05)
    assert found.auc.mean < 0.02
    assert found.found.mean == 0.0


def test_several_figures_are_also_judged_together_by_the_rarest() -> None:
    others = [*honest(statistic="alike"), *crafted([0.5, 9.0], statistic="alike")]
    found = {one.statistic: one for one in detected([*honest(), *crafted([9.0, 0.5]), *others], 0.05)}
    assert found["change"].found.mean == found["alike"].found.mean == 0.5
    assert found[ANY].found.mean == 1.0


def test_the_first_round_is_judged_apart() -> None:
    early = [*honest(round=1, statistic="scale"), *crafted([9.0], round=1, statistic="scale")]
    phases = {one.phase: one.statistic for one in detected([*honest(), *crafted([9.0]), *early], 0.05)}
    assert phases == {"first round": "scale", "later rounds": "change"}


def test_clients_that_were_sent_what_is_honest_have_nothing_to_see() -> None:
    spared = [row(seed, 7, 0.0, server="imprint", crafted=False) for seed in range(3)]
    (found,) = detected([*honest(), *crafted([9.0]), *spared], 0.05)
    assert found.models == 3


def test_many_honest_models_of_too_few_seeds_are_refused_in_a_sentence() -> None:
    few = [*honest(seeds=5, clients=200), *crafted([9.0])]
    with pytest.raises(ConfigError, match=r"takes honest models of 19 seeds beside .* in the later rounds there are 4"):
        detected(few, 0.05)
    assert detected(few, 0.2)


def test_what_all_clients_of_a_round_share_raises_no_more_false_alarms_than_asked() -> None:
    draw = random.Random(2)
    shared = [(seed, draw.random()) for seed in range(60)]
    copies = [row(seed, client, value) for seed, value in shared for client in range(8)]
    (found,) = detected([*copies, *(row(s, 500, v, server="imprint") for s, v in shared)], 0.05)
    assert found.seeds == 59
    assert 0.0 < found.realised.mean <= 0.05
    (alarms,) = false_alarms(copies, 0.05)
    assert alarms.rate.mean <= 0.05


def test_seeds_that_only_calibrate_set_all_thresholds_and_are_judged_nowhere() -> None:
    rows = [*honest(seeds=3), *crafted([0.9]), *honest(first=50, split="calibration", server="honest")]
    (found,) = detected(rows, 0.05)
    assert (found.seeds, found.models) == (20, 3)
    assert {one.models for one in false_alarms(rows, 0.05)} == {30}
    assert attainable(rows, 0.01) == pytest.approx(1 / 21)
    beyond = [*rows, *(row(70 + seed, 0, 5.0, split="calibration") for seed in range(20))]
    (less,) = detected([*beyond, *crafted([3.0])], 0.05)
    assert less.found.mean == 0.0  # half of the seeds that set the thresholds are above


def test_false_alarms_are_told_by_kind_of_training() -> None:
    kind = {"setting": {"server": "honest", "batch": 1}, "federation": "batch=1"}
    rows = [*honest(seeds=3), *(row(s, 0, 9.0, **kind) for s in range(3)), *honest(first=50, split="calibration")]
    rates = {one.where: one for one in false_alarms(rows, 0.05)}
    assert rates["batch=8"].rate.mean < 0.05
    assert rates["batch=8"].models == 30
    assert rates["batch=1"].models == 3
    assert rates["batch=1"].rate.mean == 1.0


def test_tuning_seeds_do_not_count() -> None:
    assert not detected([*honest(split="tuning"), *crafted([2.0], split="tuning")])


def test_the_cost_is_the_median_over_models() -> None:
    rows = [row(0, client, 1.0, seconds=seconds) for client, seconds in enumerate((0.1, 0.2, 9.0))]
    assert seconds_of(rows) == {"weight-watch": 0.2}


def test_alarms_by_a_check_s_own_thresholds_stand_beside() -> None:
    raised = [row(seed, 1, 0.5, alarm=True) for seed in range(3)]
    usual = [row(seed, 1 + client, 0.5) for seed in range(3) for client in range(1, 100)]
    (found,) = detected([*raised, *usual, *crafted([9.0]), *crafted([9.0], alarm=True, round=3)], 0.5)
    assert found.alarms.mean == 0.5
    (alarms,) = false_alarms([*raised, *usual])
    assert alarms.own.mean == pytest.approx(0.01)


def test_the_rate_that_is_attainable_follows_from_the_seeds_of_honest_models() -> None:
    assert attainable([*honest(seeds=101, clients=1), *crafted([9.0])]) == 0.01
    assert attainable([*honest(clients=200), *crafted([9.0])]) == pytest.approx(1 / 20)
    assert attainable([*honest()]) == 0.01


def test_a_figure_that_no_honest_model_has_has_no_line() -> None:
    found = detected([*honest(), *crafted([9.0]), *crafted([1.0], statistic="new")], 0.05)
    assert [one.statistic for one in found] == ["change", ANY]
