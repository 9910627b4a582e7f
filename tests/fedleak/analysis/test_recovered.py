"""Recovered shares: of all examples behind the messages, whether a guess was matched to them or not."""

from dataclasses import replace
from math import nan

import pytest

from fedleak.analysis.recovered import recovered
from fedleak.contracts.score import Score
from fedleak.results.row import Place, Row

PLACE = Place(
    task="t", algorithm="imprint-readout", attack="readout", defense="none", server="imprint", client="aggregate",
    round=1, seed=0, setting={"server": "imprint"},
)  # fmt: skip


def row(values: tuple[float, ...], samples: int = 4, **changes: object) -> Row:
    score = Score(metric="psnr", value=1.0, unit="dB", higher_is_better=True, per_sample=values)
    return replace(PLACE, **changes).row(score, seconds=0.0, samples=samples)  # type: ignore[arg-type]


def test_what_was_not_found_is_not_recovered() -> None:
    (found,) = recovered([row((41.0, 12.0, nan, nan))])
    assert found.share.mean == 0.25
    assert (found.server, found.defense, found.examples) == ("imprint", "none", 4)


def test_the_best_attack_in_its_best_round_counts() -> None:
    rows = [
        row((0.0, 0.0, 0.0, 0.0), round=2),
        row((50.0, 50.0, 0.0, 0.0), round=3),
        row((50.0, 0.0, 0.0, 0.0), round=2, attack="b"),
    ]
    (found,) = recovered(rows)
    assert (found.attack, found.round, found.share.mean) == ("readout", 3, 0.5)


def test_seeds_are_averaged_and_tuning_seeds_left_out() -> None:
    rows = [row((50.0,) * 4), row((0.0,) * 4, seed=1), row((50.0,) * 4, seed=2, split="tuning")]
    (found,) = recovered(rows)
    assert found.share.mean == pytest.approx(0.5)


def test_a_server_under_each_defense_has_its_own() -> None:
    assert len(recovered([row((50.0,) * 4), row((50.0,) * 4, defense="top"), row((1.0,) * 4, server="honest")])) == 3


def test_the_first_round_and_later_ones_stand_apart_and_so_do_settings() -> None:
    small = {"server": "imprint", "batch": 1}
    rows = [row((50.0,) * 4), row((0.0,) * 4, round=2), row((50.0, 0.0, 0.0, 0.0), setting=small)]
    found = {(one.where, one.phase): one.share.mean for one in recovered(rows)}
    assert found == {("", "first round"): 1.0, ("", "later rounds"): 0.0, ("batch=1", "first round"): 0.25}
