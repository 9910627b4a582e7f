"""Answers that no gradient is behind are called no leak, are seldom called beyond guessing, and beat no bound."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from guessing import ORACLE, Arena, called

from fedleak.analysis.judgement import Judgement


@pytest.mark.slow
@pytest.mark.parametrize(("task", "metrics"), [("digits-mlp", ["psnr"]), ("faces-mlp", ["ssim"])])
def test_an_answer_without_a_gradient_is_no_leak_and_beats_no_bound(task: str, metrics: list[str]) -> None:
    """The nearest public example is chosen by the truth: better than a guess, and still nothing that was private."""
    found = called(Arena.of(task, metrics), runs=5)
    assert len(found) == 5 * len(metrics)
    for (answer, _), counts in found.items():
        assert not counts[Judgement.LEAKED]
        assert not counts["beat a bound"]
        assert answer == ORACLE or not counts[Judgement.BEYOND]
