"""Strategies of Flower by name, with their options checked."""

import inspect
from functools import partial
from typing import Any

import flwr.serverapp.strategy as flower
from flwr.serverapp.strategy import FedAvg, Strategy

from fedleak.contracts.foreign import arguments_for, built, parameters_of, read_option
from fedleak.errors import ConfigError, did_you_mean
from fedleak.federation.plan import FederationPlan
from fedleak.settings.base import Table
from fedleak.settings.federation import FederationSettings

UNSUITED = {
    "FedXgbBagging": "aggregates trees, and the clients train networks",
    "FedXgbCyclic": "aggregates trees, and the clients train networks",
    "FedProx": "sends a proximal_mu that clients do not read; set federation.proximal, under FedAvg, which is the same",
    "DifferentialPrivacyClientSideFixedClipping": "counts on clients that clip; put the defense 'clipping' in a chain",
    "DifferentialPrivacyClientSideAdaptiveClipping": "counts on clients that clip; use the defense 'clipping'",
}
"""Strategies that would run and not do what their name says, and why."""
ONLY_THE_MEAN = {"FedAvg", "FedAvgM", "FedAdagrad", "FedAdam", "FedYogi"}
"""Strategies that need nothing but the mean, and so work under secure aggregation."""


def build_strategy(plan: FederationPlan) -> Strategy:
    """The strategy of a plan; raises `ConfigError` for what does not exist, is not an option, or cannot work."""
    settings = plan.training()
    protocol = plan.defenses().protocol
    if protocol is not None and settings.strategy not in ONLY_THE_MEAN:
        _class_of(settings.strategy)
        raise ConfigError(
            f"federation.strategy: {settings.strategy} needs each client's reply, and under {protocol.name} the "
            f"server has only the mean; choose one of {', '.join(sorted(ONLY_THE_MEAN))}"
        )
    strategy = _build(settings.strategy, settings.strategy_options, settings, "federation.strategy_options")
    if _needs_losses(strategy) and not plan.defenses().reports_loss(plan.federation):
        raise ConfigError(
            f"federation.strategy: {settings.strategy} weighs clients by their losses, which they do not report under "
            "a defense that proves something; choose another strategy"
        )
    return strategy


def _needs_losses(strategy: Strategy) -> bool:
    """Whether a strategy, or the one that it is wrapped around, asks for the clients' losses in training."""
    inner = vars(strategy).get("strategy")
    return "train_loss_key" in vars(strategy) or (isinstance(inner, Strategy) and _needs_losses(inner))


def _build(name: str, options: Table, settings: FederationSettings, place: str) -> Strategy:
    cls = _class_of(name)
    values = arguments_for(cls, options, _defaults(settings), place, partial(_read, settings))
    if "strategy" in parameters_of(cls) and "strategy" not in values:
        values["strategy"] = _build("FedAvg", {}, settings, place)
    _require_enough_clients(values, settings, place)
    return built(cls, values, place)


def _class_of(name: str) -> type[Strategy]:
    names = {key: value for key, value in vars(flower).items() if inspect.isclass(value) and key in flower.__all__}
    strategies = {key: cls for key, cls in names.items() if issubclass(cls, Strategy) and cls is not Strategy}
    if name not in strategies:
        raise ConfigError(
            f"federation.strategy: Flower has no strategy '{name}'{did_you_mean(name, strategies.keys() - UNSUITED)}"
        )
    if name in UNSUITED:
        raise ConfigError(f"federation.strategy: {name} {UNSUITED[name]}")
    return strategies[name]


def _defaults(settings: FederationSettings) -> dict[str, Any]:
    """Flower's defaults wait forever for a second client; ours never do."""
    return {
        "min_train_nodes": 1,
        "min_evaluate_nodes": 1 if settings.fraction_evaluate else 0,
        "min_available_nodes": settings.clients,
        "fraction_evaluate": settings.fraction_evaluate,
    }


def _read(settings: FederationSettings, value: Any, annotation: Any, place: str) -> Any:
    if annotation is not Strategy:
        return read_option(value, annotation, place)
    table = {"use": value} if isinstance(value, str) else dict(value)
    return _build(str(table.pop("use", "FedAvg")), table, settings, place)


def _require_enough_clients(values: dict[str, Any], settings: FederationSettings, place: str) -> None:
    for key, value in values.items():
        if key.startswith("min_") and value > settings.clients:
            raise ConfigError(f"{place}.{key}: expected at most federation.clients = {settings.clients}, got {value}")


def plain_fedavg(clients: int) -> FedAvg:
    """The ordinary averaging of the rounds before the recorded ones."""
    return FedAvg(fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
