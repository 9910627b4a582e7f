"""Calibration: honest points again on further seeds, without attacks, which no result is of."""

from typing import Any

import pytest

from fedleak.campaign.plan import counts_of
from fedleak.errors import ConfigError
from fedleak.experiment.calibration import Calibration, calibration_seeds
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.grid import parse_campaign

LIAR = {"name": "liar", "chain": [{"use": "imprint", "form": "weights", "bins": 64}]}


def campaign(**changes: Any) -> Campaign:
    base: dict[str, Any] = {
        "name": "n",
        "task": "digits-mlp",
        "seed": [3, 7],
        "federation": {"clients": 2, "batch_size": 2},
        "attacks": [{"use": "dlg", "steps": 1}],
        "defenses": [{"name": "none"}, {"name": "watched", "chain": [{"use": "weight-watch"}]}],
        "vary": [
            {"name": "both", "servers": [{"name": "honest"}, LIAR]},
            {"name": "large", "servers": [{"name": "honest"}], "federation": {"batch_size": 4}},
            {"name": "lies", "servers": [{**LIAR, "name": "other"}]},
        ],
    }
    return parse_campaign({**base, **changes})


def test_every_honest_kind_of_training_is_run_on_further_seeds_without_attacks() -> None:
    found = campaign(calibration={"seeds": 3})
    extra = [point for point in found.points if point.split == "calibration"]
    assert [(point.setting["vary"], point.experiment.seed) for point in extra] == [
        (kind, seed) for kind in ("both", "large") for seed in (8, 9, 10)
    ]
    assert all(point.experiment.server.honest and not point.experiment.attacks for point in extra)
    assert all([row.name for row in point.experiment.defenses] == ["watched"] for point in extra)
    usual = campaign()
    assert counts_of(found)[1] == counts_of(usual)[1] > 0
    assert counts_of(found)[0] == counts_of(usual)[0] + len(extra)


def test_what_is_reported_is_as_without() -> None:
    assert campaign(calibration={"seeds": 3}).reported.points == campaign().points


def test_written_out_it_gives_the_same_campaign() -> None:
    found = campaign(calibration={"seeds": 2})
    again = parse_campaign(found.tree)
    assert again.tree == found.tree
    assert [(one.federation, one.split) for one in again.points] == [
        (one.federation, one.split) for one in found.points
    ]


def test_what_honest_rounds_do_as_well_without_can_be_left_out() -> None:
    rows = [{"name": "sums", "chain": [{"use": "weight-watch"}, {"use": "secure-aggregation"}]}]
    lean, whole = (
        campaign(defenses=rows, calibration={"seeds": 1, **more}).points[-1].experiment.defenses[0].chain
        for more in ({"without": ["secure-aggregation"]}, {})
    )
    assert [[table["use"] for table in chain] for chain in (lean, whole)] == [
        ["weight-watch"], ["weight-watch", "secure-aggregation"]
    ]  # fmt: skip


def test_seeds_are_none_of_the_others() -> None:
    assert calibration_seeds(Calibration(seeds=2), (5, 1)) == (6, 7)
    assert calibration_seeds(None, (5, 1)) == ()
    tuned = campaign(attacks=[{"use": "dlg", "steps": [1, 2]}], tuning={"seeds": [40]}, calibration={"seeds": 1})
    assert [point.experiment.seed for point in tuned.points if point.split == "calibration"] == [41, 41]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"calibration": {"seeds": 0}}, "calibration.seeds: expected greater than or equal to 1, got 0"),
        ({"calibration": {"seed": 3}}, "calibration.seed: unknown field; did you mean 'seeds'"),
        (
            {"calibration": {"seeds": 3, "without": ["weight-watch"]}},
            "without: expected defenses of this file that check",
        ),
        ({"calibration": {"seeds": 3}, "defenses": [{"name": "none"}]}, "calibration: expected a check"),
    ],
)
def test_a_mistake_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        campaign(**changes)
