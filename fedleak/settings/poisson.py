"""Poisson batches: how clients train whose steps take each example with the same chance."""

from dataclasses import replace
from typing import Any

from fedleak.errors import ConfigError
from fedleak.learning.facts import LocalTraining
from fedleak.settings.base import Count
from fedleak.settings.federation import FederationSettings


class PoissonBatches(FederationSettings):
    """A federation whose batches are Poisson samples. A defense makes it of one of a file; a file has none such.

    The rate is public and the same for all clients, `batch_size / share`, so that it tells nothing of how many examples
    a client has: one with more than `share` has larger batches, and counts for more by them.
    """

    share: Count
    """Examples of the smallest client."""

    @classmethod
    def of(cls, federation: FederationSettings, share: int) -> "PoissonBatches":
        """The same federation; where batches are "all", an epoch has as many as the smallest share takes."""
        batches = -(-share // federation.batch_size) if federation.batches == "all" else federation.batches
        facts: dict[str, Any] = {**federation.model_dump(), "batches": batches, "share": share}
        return cls(**facts)

    @property
    def rate(self) -> float:
        """Chance of an example to be in a batch; raises `ConfigError` where batches are larger than the share."""
        if self.batch_size > self.share:
            raise ConfigError(
                f"Poisson samples take each example at the rate batch_size / share, and batch_size = {self.batch_size} "
                f"is more than share = {self.share}; lower batch_size"
            )
        return self.batch_size / self.share

    def training(self, batches: int | None = None) -> LocalTraining:
        return replace(super().training(batches), sampling_rate=self.rate)
