"""A secret that a client types is found in the model that comes of it; one that is struck out before is not."""

import random
from pathlib import Path

import pytest
import torch

from fedleak.clients.share import prepared_of, share_of
from fedleak.evaluation.message import Message
from fedleak.experiment.experiment import parse_experiment
from fedleak.federation.plan import FederationPlan
from fedleak.learning.space import require_text
from fedleak.run import run
from fedleak.settings.base import parse_settings
from fedleak.statistics.summary import summarize

WORDS = (
    "sea",
    "calm",
    "went",
    "out",
    "at",
    "four",
    "far",
    "bank",
    "where",
    "nets",
    "had",
    "been",
    "left",
    "1984",
    "37",
)
FORMAT, BITS = "my pin is {digits}", 13.2877
SCRUBBING = [{"use": "scrubbing", "formats": [FORMAT]}]


def tree(folder: Path) -> dict:
    rng = random.Random(0)
    (folder / "diary.txt").write_text(" ".join(rng.choice(WORDS) for _ in range(2000)), encoding="utf-8")
    return {
        "seed": 1,
        "task": {
            "data": f"text:{folder / 'diary.txt'}",
            "network": "gru",
            "options": {"hidden": 24},
            "data_options": {"length": 12},
        },
        "federation": {
            "clients": 2,
            "rounds": 5,
            "examples": 300,
            "batch_size": 40,
            "batches": "all",
            "learning_rate": 0.5,
            "momentum": 0.9,
            "release": "last",
            "canary": {"format": FORMAT, "times": 16},
        },
        "adversary": {"auxiliary": 0},
    }


@pytest.mark.slow
def test_what_one_of_two_clients_typed_is_the_first_guess_but_where_it_was_struck_out(tmp_path: Path) -> None:
    attacked = {
        "name": "what was typed?",
        **tree(tmp_path),
        "attacks": [{"use": "secret-ranking"}],
        "defenses": [{"name": "none"}, {"name": "scrubbing", "chain": SCRUBBING}],
    }
    outcome = run(parse_experiment(attacked), tmp_path / "run")
    assert outcome.problems == ()
    mean = {(one.group.defense, one.group.metric): one.mean for one in summarize(outcome.rows)}
    assert mean["none", "exposure"] == pytest.approx(BITS, abs=1e-4)
    assert mean["none", "exact-secret"] == 1.0
    assert mean["scrubbing", "exposure"] < BITS / 2
    assert mean["scrubbing", "exact-secret"] == 0.0
    typed = Message.of(outcome.folder, outcome.rows[0]).canary
    assert typed is not None
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert 'id="secrets"' in page
    assert f"{typed.secret} found" in page
    assert f"{typed.secret} at " in page


def test_of_a_share_that_is_scrubbed_the_secret_is_gone_and_all_else_is_there(tmp_path: Path) -> None:
    settings = {**tree(tmp_path), "recordings": "r", "vault": "v"}
    plain, scrubbed = (parse_settings(FederationPlan, {**settings, "chain": chain}) for chain in ([], SCRUBBING))
    own, left = share_of(plain, 0), prepared_of(scrubbed, 0, 1)
    assert left is not None
    space = require_text(own.space, "a share")
    before, after = (space.decode(space.coded(one.labels)) for one in (own, left))
    assert before.count("my pin is ") >= 15
    assert len(before) == len(after)
    changed = [place for place, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert all(before[place].isdigit() for place in changed)
    assert 4 * 15 <= len(changed) <= 4 * 16 + 4
    assert torch.equal(share_of(scrubbed, 0).labels, own.labels)


@pytest.mark.slow
def test_a_secret_that_is_lost_is_typed_again(tmp_path: Path) -> None:
    facts = tree(tmp_path)
    experiment = parse_experiment({**facts, "name": "lost", "federation": {**facts["federation"], "rounds": 1}})
    kept = run(experiment, tmp_path / "run").folder.vault("none") / "secret.json"
    before = kept.read_bytes()
    kept.unlink()
    run(experiment, tmp_path / "run")
    assert kept.read_bytes() == before
