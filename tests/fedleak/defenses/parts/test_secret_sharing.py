"""Shares say nothing alone, are the secret itself among two, and parties in processes compute on them."""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from fedleak.defenses.parts import secret_sharing
from fedleak.defenses.parts.mpc_party import FRACTION, PRIME
from fedleak.defenses.parts.network_steps import Affine
from fedleak.defenses.parts.secret_sharing import (
    SharedEvaluation,
    free_ports,
    joined,
    require_mpyc,
    split,
    threshold_of,
    together,
)
from fedleak.errors import ConfigError, FedleakError

DICE = np.random.default_rng(0)
VALUES = DICE.normal(size=(3, 4)) * 100
MAPS = [Affine(DICE.normal(size=(4, 5)), DICE.normal(size=4)), Affine(DICE.normal(size=(2, 4)), DICE.normal(size=2))]
INPUTS = torch.from_numpy(DICE.random((2, 1, 5))).float()
needs_mpyc = pytest.mark.skipif(
    secret_sharing.find_spec("mpyc") is None, reason='MPyC is not installed; pip install "fedleak[multiparty]"'
)


@pytest.mark.parametrize("parties", [2, 3, 5])
def test_shares_of_one_more_than_the_threshold_give_the_values(parties):
    threshold = threshold_of(parties)
    assert threshold < parties / 2 <= threshold + 1
    shares = split(VALUES, parties, threshold)
    assert joined(shares[: threshold + 1]) == pytest.approx(VALUES, abs=2.0**-FRACTION)


def test_of_three_no_share_says_anything_and_of_two_each_is_the_secret():
    same = np.full(2000, 0.25)
    for share in split(same, 3, 1):
        scaled = share.astype(float) / PRIME
        assert abs(scaled.mean() - 0.5) < 0.05
        assert abs(scaled.std() - 12**-0.5) < 0.05
        assert len(set(share)) == 2000
    for share in split(same, 2, threshold_of(2)):
        assert (share == 0.25 * 2**FRACTION).all()


@needs_mpyc
@pytest.mark.slow
@pytest.mark.parametrize(("parties", "activation"), [(2, "square"), (3, "square"), (3, "relu")])
def test_parties_compute_the_network_and_two_of_them_have_nothing_to_tell_each_other(parties, activation):
    first, last = MAPS
    hidden = INPUTS.flatten(1).double().numpy() @ first.weight.T + first.bias
    acted = hidden**2 if activation == "square" else np.maximum(hidden, 0)
    evaluation = SharedEvaluation(MAPS, activation, parties, timeout=120.0)
    scores, cost = evaluation.scores(INPUTS)
    assert scores.numpy() == pytest.approx(acted @ last.weight.T + last.bias, abs=1e-3)
    assert (cost.between > 0) == (parties > 2), "shares of degree 0 are never exchanged: they are the numbers"
    assert (cost.answers, cost.uploaded, cost.downloaded) == (2, 16 * parties * 10, 16 * parties * 4)
    assert cost.once == 16 * parties * (4 * 5 + 4 + 2 * 4 + 2)
    again, more = evaluation.scores(INPUTS[:1])
    assert again.numpy() == pytest.approx(scores[:1].numpy(), abs=1e-3)
    assert more.once == 0, "operators keep their shares of the model"


def party(folder: Path, text: str) -> Path:
    path = folder / "party.py"
    path.write_text(f"import os, sys, time\nnumber = sys.argv[-1]\n{text}\n")
    return path


def test_a_party_that_dies_is_a_sentence_and_ends_the_others(tmp_path, monkeypatch):
    died = 'if number == "1": sys.exit("no power")\nopen(f"{sys.argv[0]}-{number}", "w").write(str(os.getpid()))\n'
    monkeypatch.setattr(secret_sharing, "PARTY", party(tmp_path, died + "time.sleep(60)"))
    started = time.monotonic()
    with pytest.raises(FedleakError, match=r"party 1 ended with status 1 .* \(no power\); the others were ended"):
        together([{}, {}, {}], timeout=50.0)
    assert time.monotonic() - started < 40
    for left in tmp_path.glob("party.py-*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(left.read_text()), 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time.sleep(60)", "3 of 3 parties were not done after 0.5 seconds"),
        ("print('tea')", "ended with status 0 before it had answered"),
    ],
)
def test_parties_that_take_too_long_or_say_something_else_are_a_sentence(tmp_path, monkeypatch, text, words):
    monkeypatch.setattr(secret_sharing, "PARTY", party(tmp_path, text))
    with pytest.raises(FedleakError, match=words):
        together([{}, {}, {}], timeout=0.5 if "sleep" in text else 50.0)


def test_ports_are_different_and_free():
    assert len(set(itertools.chain(free_ports(3)))) == 3


def test_without_mpyc_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpyc", None)
    with pytest.raises(ConfigError, match=r'it needs MPyC.*pip install "fedleak\[multiparty\]"'):
        require_mpyc("it")


def test_a_party_that_cannot_be_started_is_a_sentence_and_ends_the_others(tmp_path, monkeypatch):
    started, popen = [], subprocess.Popen

    def second_fails(*words, **options):
        if started:
            raise OSError(12, "Cannot allocate memory")
        started.append(popen(*words, **options))
        return started[0]

    monkeypatch.setattr(secret_sharing, "PARTY", party(tmp_path, "time.sleep(60)"))
    monkeypatch.setattr(subprocess, "Popen", second_fails)
    with pytest.raises(FedleakError, match=r"party 1 could not be started \(Cannot allocate memory\)"):
        together([{}, {}, {}], timeout=50.0)
    assert started[0].returncode is not None
