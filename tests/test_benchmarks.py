"""The simulations that figures in the documentation rest on still run."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import accounting
import advice
import coverage as simulated


@pytest.mark.parametrize(("leaked", "named"), [(np.zeros((75, 1, 1), bool), True), (np.ones((75, 1, 1), bool), False)])
def test_a_simulated_defense_that_leaks_nothing_is_named_and_one_that_leaks_all_is_not(
    leaked: np.ndarray, named: bool
) -> None:
    assert advice.named(leaked) is named


@pytest.mark.slow
def test_every_table_of_coverage_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    simulated.main(2)
    assert "log-normal" in capsys.readouterr().out


@pytest.mark.slow
def test_accounted_epsilons_are_nowhere_below_and_every_disagreement_has_a_name() -> None:
    found = accounting.tally(60, seed=1)
    assert sum(found.figures.values()) > 60
    assert not found.violations
    assert not found.unexplained
    assert set(found.names) <= set(accounting.NAMES)
    assert len(found.names) > 4
