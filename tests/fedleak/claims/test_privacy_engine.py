"""Laws of what an Opacus engine is worth."""

import warnings

import pytest
from opacus.accountants import PRVAccountant

from fedleak.claims.claimed import Claimed
from fedleak.claims.privacy_engine import PrivacyEngineSetting
from fedleak.errors import ConfigError
from fedleak.settings.base import parse_settings


def engine(**fields: object) -> Claimed:
    given = {"noise_multiplier": 1.1, "max_grad_norm": 1.0, "batch_size": 32, "examples": 640, **fields}
    table = {key: value for key, value in given.items() if value is not None}
    return parse_settings(PrivacyEngineSetting, {"use": "make_private", **table}).claimed()


def test_removal_under_poisson_samples_is_what_opacus_says() -> None:
    theirs = PRVAccountant()
    theirs.history = [(1.1, 1 / 20, 60)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = theirs.get_epsilon(1e-5)
    ours = engine(epochs=3).figures[0].round
    assert ours.epsilon == pytest.approx(said, rel=0.02)
    assert "Poisson" in ours.credit


def test_shuffled_batches_earn_no_credit_and_break_the_claim() -> None:
    poisson, shuffled = engine(epsilon=3.0), engine(epsilon=3.0, poisson_sampling=False)
    assert (poisson.verdict, shuffled.verdict) == ("holds", "broken")
    assert any("shuffled order" in words for words in shuffled.wrong)
    assert not shuffled.figures[0].run.credit


def test_every_round_spends_it_anew() -> None:
    one, ten = engine(), engine(rounds=10)
    assert one.figures[0].run.epsilon == one.figures[0].round.epsilon == ten.figures[0].round.epsilon
    assert ten.figures[0].run.epsilon > ten.figures[0].round.epsilon
    assert any("made anew" in words for words in ten.mind)


def test_a_target_is_kept_by_the_noise_that_opacus_finds() -> None:
    found = engine(use="make_private_with_epsilon", noise_multiplier=None, target_epsilon=2.0, target_delta=1e-5)
    assert found.verdict == "holds"
    assert found.figures[0].round.epsilon == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"noise_multiplier": None}, "noise_multiplier, or target_epsilon"),
        ({"target_epsilon": 1.0, "target_delta": 1e-5}, "got 'both'"),
        ({"noise_multiplier": None, "target_epsilon": 1.0}, "together"),
        ({"max_grad_norm": 0.0}, "max_grad_norm"),
    ],
)
def test_what_is_no_setting_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        engine(**fields)


def test_unknown_batches_leave_no_figure_and_are_asked_for() -> None:
    found = engine(batch_size=None)
    assert not found.figures
    assert "--set examples=NUMBER" in found.wrong[0]
