"""Answers are counted across processes, and what cannot be counted is not given."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fedleak.guard.journal import Ledger, Refused, label_of
from fedleak.guard.policy import Policy, site_policy

from .conftest import EXAMPLE, Site

ELSEWHERE = """
import sys
from fedleak.guard.journal import Ledger, Refused
from fedleak.guard.policy import site_policy
try:
    Ledger(site_policy()).take(1, 2, "train", sys.argv[1])
except Refused as refused:
    print(refused)
"""


def taken(policy: Policy, run: int = 1, node: int = 2, label: str = "1", kind: str = "train") -> bool:
    try:
        Ledger(policy).take(run, node, kind, label)
    except Refused:
        return False
    return True


def test_a_round_has_one_answer_of_each_type(site: Site) -> None:
    policy = site_policy()
    assert [taken(policy), taken(policy), taken(policy, kind="evaluate"), taken(policy, label="2")] == [
        True, False, True, True,
    ]  # fmt: skip


def test_rounds_and_runs_come_to_an_end(site: Site) -> None:
    site.policy(EXAMPLE.replace("rounds = 100", "rounds = 3").replace("runs = 5", "runs = 2"))
    policy = site_policy()
    assert [taken(policy, label=str(number)) for number in range(5)] == [True, True, True, False, False]
    assert [taken(policy, run=run) for run in (7, 8)] == [True, False]


def test_rounds_without_a_name_count_each(site: Site) -> None:
    site.policy(EXAMPLE.replace("rounds = 100", "rounds = 3"))
    policy = site_policy()
    assert [taken(policy, label="") for _ in range(4)] == [True, True, True, False]


def test_nodes_share_the_answers_of_a_site_unless_it_says_otherwise(site: Site) -> None:
    policy = site_policy()
    assert [taken(policy, node=1), taken(policy, node=2)] == [True, False]
    site.policy('per = "node"\nstate = "nodes.json"\n' + EXAMPLE)
    policy = site_policy()
    assert [taken(policy, node=1), taken(policy, node=2), taken(policy, node=2)] == [True, True, False]


def test_many_at_once_get_one_answer(site: Site) -> None:
    policy = site_policy()
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: taken(policy), range(32))) == 1


@pytest.mark.slow
def test_another_process_knows_what_was_answered(site: Site) -> None:
    assert taken(site_policy(), label="1")
    run = [sys.executable, "-c", ELSEWHERE]
    said = [
        subprocess.run([*run, label], capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
        for label in ("1", "2", "2")
    ]
    refusal = "the guard of this site refuses: this round has had 1 of 1 answers (messages.train.per_round)\n"
    assert said == [refusal, "", refusal]
    assert not taken(site_policy(), label="2")


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"answers": {"1": {"train": {"1": "one"}}}}', '{"answers": 3}'])
def test_a_damaged_ledger_gives_no_answer(site: Site, damage: str) -> None:
    policy = site_policy()
    Path(policy.state).write_text(damage)
    with pytest.raises(Refused, match="its ledger of answers is damaged"):
        Ledger(policy).take(1, 2, "train", "1")


def test_a_ledger_that_cannot_be_written_gives_no_answer(site: Site) -> None:
    (site.folder / "file").write_text("")
    site.policy('state = "file/below.json"\n' + EXAMPLE)
    with pytest.raises(Refused, match="its ledger of answers cannot be written"):
        Ledger(site_policy()).take(1, 2, "train", "1")


def test_the_ledger_is_its_owner_s(site: Site) -> None:
    policy = site_policy()
    assert taken(policy)
    assert Path(policy.state).stat().st_mode & 0o777 == 0o600
    assert json.loads(Path(policy.state).read_text()) == {"answers": {"1": {"train": {"1": 1}}}}


def test_a_long_label_is_kept_by_its_digest() -> None:
    assert label_of("", 3, None) == "3"
    assert len(label_of("x" * 10_000)) == 16
    assert label_of("x" * 10_000) != label_of("y" * 10_000)
