"""Malicious optimizer: factors by hand, nothing where the factor is 1, and no one else's code in the joint training."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fedleak.contracts.tampered import moved
from fedleak.errors import ConfigError
from fedleak.experiment.experiment import parse_experiment
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.recording.diary import Diary, read_diary, stem_of
from fedleak.settings.base import parse_settings
from fedleak.tamperings.malicious_optimizer import MaliciousOptimizer

FEDERATION = {"partition": "columns", "clients": 3, "batch_size": 16, "batches": 3, "momentum": 0.9, "cut": 3}
TREE: dict[str, Any] = {
    "name": "active",
    "task": "digits-mlp",
    "federation": FEDERATION,
    "attacks": [{"use": "active-labels"}],
}
DOES = {"use": "malicious-optimizer"}


def test_steps_that_keep_their_sign_grow_and_others_stay():
    last, step = torch.tensor([2.0, 2.0, 2.0, 0.0, 1.0]), torch.tensor([1.0, -1.0, 0.0, 3.0, 9.0])
    made, kept = MaliciousOptimizer().change(1, {"w": step}, {"w": last})
    assert made["w"].tolist() == [1.5, -1.0, 0.0, 3.0, 45.0]
    assert kept["w"] is made["w"]  # the next ratio is to what was made of it
    half, _ = MaliciousOptimizer(gamma=0.5, most=3.0).change(1, {"w": step}, {"w": last})
    assert half["w"].tolist() == [1.25, -1.0, 0.0, 3.0, 27.0]


def test_the_first_step_and_parties_that_do_not_are_left_alone():
    step = {"w": torch.ones(2)}
    assert torch.equal(moved([MaliciousOptimizer()], 1, step, {})[0]["w"], step["w"])
    change, kept = moved([MaliciousOptimizer(parties=(2,))], 1, step, {"tampering-0": {"w": torch.ones(2)}})
    assert torch.equal(change["w"], step["w"])
    assert torch.equal(kept["tampering-0"]["w"], torch.ones(2))


def diary(folder: Path, party: int, round: int, *does: dict[str, Any]) -> Diary:
    """What a party wrote of a round of a federation, which runs once."""
    tree = {"task": "digits-mlp", "federation": {**FEDERATION, "rounds": 2}, "adversary": {"does": list(does)}}
    places = {"recordings": str(folder / "seen"), "vault": str(folder / "vault")}
    if not folder.exists():
        run_federation(parse_settings(FederationPlan, {**tree, **places}))
    return read_diary(folder / "seen" / stem_of(party, round))


def same(one: Diary, two: Diary, step: int | None = None, asked: str | None = None) -> bool:
    """Whether two diaries have the same weights at the beginning and the same messages, or those of one step."""
    lines = [
        (mine.question | mine.answer, theirs.question | theirs.answer)
        for mine, theirs in zip(one.lines, two.lines, strict=True)
        if step in (None, mine.step) and asked in (None, mine.asked)
    ]
    return all(
        mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
        for mine, theirs in [(one.weights, two.weights), *lines]
    )


@pytest.mark.slow
def test_a_factor_of_one_is_the_clean_run_bit_for_bit(tmp_path):
    for party in range(3):
        clean = diary(tmp_path / "clean", party, 2)
        assert same(clean, diary(tmp_path / "one", party, 2, {**DOES, "gamma": 0.0}))
        assert not same(clean, diary(tmp_path / "all", party, 2, DOES))


@pytest.mark.slow
def test_others_change_only_by_what_is_sent(tmp_path):
    does = {**DOES, "parties": [1]}
    pairs = [(diary(tmp_path / "clean", party, 1), diary(tmp_path / "one", party, 1, does)) for party in range(3)]
    assert all(same(*pair, 1) and same(*pair, 2) for pair in pairs)  # of one step there is no ratio yet
    assert not same(*pairs[1], 3, "forward")
    assert same(*pairs[2], 3, "forward")  # its own steps are as they were
    assert not same(*pairs[2], 3, "backward")  # what comes back is not
    assert pairs[1][1].tampering == (MaliciousOptimizer(parties=(1,)),)


def refused(does: dict[str, Any], **others: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_experiment({**TREE, "adversary": {"does": [does]}, **others})
    return str(caught.value)


def test_what_makes_no_sense_is_refused():
    assert "party 3 has no labels to find out, or is none; expected parties from 1 to 2" in refused(
        {**DOES, "parties": [3]}
    )
    assert "expected factors 0 < least <= most" in refused({**DOES, "most": 0.5})
    rows = {"federation": {"clients": 2}, "attacks": [{"use": "dlg"}]}
    assert "is done by a party that holds columns, and here clients hold rows" in refused(DOES, **rows)
    assert "no attack here reads what malicious-optimizer leaves; add active-labels" in refused(
        DOES, attacks=[{"use": "passive-labels"}]
    )
    with pytest.raises(ConfigError, match=r"attacks\.0: active-labels reads what malicious-optimizer leaves"):
        parse_experiment(TREE)
    parse_experiment({**TREE, "adversary": {"does": [DOES]}})
