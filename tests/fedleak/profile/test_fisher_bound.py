"""The Fisher bound of one message by itself is the one of its whole profile."""

import math

import pytest

from fedleak.cli.profile import Settings, local_update
from fedleak.profile.profile import fisher_bound, profile


def test_without_noise_there_is_none():
    assert fisher_bound(local_update("digits-mlp", Settings())) == math.inf


@pytest.mark.slow
def test_it_is_near_the_one_of_the_whole_profile():
    subject = local_update("digits-mlp", Settings(noise=0.01))
    whole = profile(subject)
    assert whole.inside is not None
    assert fisher_bound(subject) == pytest.approx(whole.inside.fisher.bound(whole.inside.floor.noise), abs=1.0)


@pytest.mark.slow
def test_ten_times_the_noise_is_twenty_decibels_less():
    one, other = (fisher_bound(local_update("digits-mlp", Settings(noise=std))) for std in (0.01, 0.1))
    assert one - other == pytest.approx(20.0, abs=0.1)
