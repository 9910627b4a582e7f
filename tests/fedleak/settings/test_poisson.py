"""Poisson batches follow from a federation and the smallest share."""

import pytest

from fedleak.errors import ConfigError
from fedleak.settings.federation import FederationSettings
from fedleak.settings.poisson import PoissonBatches


def test_the_rate_is_public_and_all_else_is_as_it_was() -> None:
    federation = FederationSettings(batch_size=4, batches=3, epochs=2, schedule_options={"gamma": 0.5})
    sampled = PoissonBatches.of(federation, 80)
    assert sampled.training().sampling_rate == 0.05
    assert PoissonBatches.of(sampled, 80) == sampled
    assert {**sampled.model_dump(), "share": None} == {**federation.model_dump(), "share": None}
    assert FederationSettings().training().sampling_rate == 0.0


def test_an_epoch_over_all_has_as_many_batches_as_the_smallest_share_takes() -> None:
    assert PoissonBatches.of(FederationSettings(batch_size=32, batches="all"), 100).batches == 4


def test_batches_larger_than_the_share_are_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size = 9 is more than share = 8; lower batch_size"):
        PoissonBatches.of(FederationSettings(batch_size=9), 8).training()
    assert PoissonBatches.of(FederationSettings(batch_size=8), 8).rate == 1.0
