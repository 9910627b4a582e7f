"""Averaging: what a payload in slices counts on, so that it comes out of the mean as it was meant."""

from fedleak.accounting.mechanism import cohort_of
from fedleak.errors import ConfigError
from fedleak.settings.federation import FederationSettings


def require_mean_of_all(federation: FederationSettings, name: str) -> None:
    """Raises `ConfigError` where the new model is not the mean over all clients, weighted by their examples."""
    why = ""
    if federation.strategy != "FedAvg":
        why = f"federation.strategy is {federation.strategy}; set FedAvg"
    elif "weighted_by_key" in federation.strategy_options:
        why = "strategy_options has weighted_by_key; leave it out"
    elif cohort_of(federation) < federation.clients:
        why = f"a round has {cohort_of(federation)} of {federation.clients} clients; set fraction_train = 1.0"
    elif federation.dropouts:
        why = "clients leave rounds; leave federation.dropouts out"
    if why:
        raise ConfigError(f"{name} counts on the mean over all clients, weighted by their examples, and {why}")
