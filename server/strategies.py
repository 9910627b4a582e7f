"""Strategies of Flower by name, with their options checked."""

import inspect
from typing import Any

import flwr.serverapp.strategy as flower
from flwr.serverapp.strategy import FedAvg, Strategy
from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from fedleak.contracts.plugin import explain
from fedleak.errors import ConfigError, did_you_mean
from fedleak.federation.plan import FederationPlan
from fedleak.settings import FederationSettings, Table

UNSUITED = {
    "FedXgbBagging": "aggregates trees, and the clients train networks",
    "FedXgbCyclic": "aggregates trees, and the clients train networks",
    "FedProx": "needs a proximal term that the clients do not train with; with proximal_mu = 0 it is FedAvg",
    "DifferentialPrivacyClientSideFixedClipping": "counts on clients that clip; put the defense 'clipping' in a chain",
    "DifferentialPrivacyClientSideAdaptiveClipping": "counts on clients that clip; use the defense 'clipping'",
}
"""Strategies that would run and not do what their name says, and why."""
ONLY_THE_MEAN = {"FedAvg", "FedAvgM", "FedAdagrad", "FedAdam", "FedYogi"}
"""Strategies that need nothing but the mean, and so work under secure aggregation."""


def build_strategy(plan: FederationPlan) -> Strategy:
    """The strategy of a plan; raises `ConfigError` for what does not exist, is not an option, or cannot work."""
    settings = plan.training()
    if plan.defenses().protocol is not None and settings.strategy not in ONLY_THE_MEAN:
        _class_of(settings.strategy)
        raise ConfigError(
            f"federation.strategy: {settings.strategy} needs each client's reply, and under secure-aggregation the "
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
    parameters = dict(list(inspect.signature(cls.__init__).parameters.items())[1:])
    values = {key: value for key, value in _defaults(settings).items() if key in parameters}
    for key, value in options.items():
        if key not in parameters:
            raise ConfigError(f"{place}.{key}: unknown option of {name}{did_you_mean(key, parameters)}")
        values[key] = _parse(value, parameters[key].annotation, settings, f"{place}.{key}")
    if "strategy" in parameters and "strategy" not in values:
        values["strategy"] = _build("FedAvg", {}, settings, place)
    _require_enough_clients(values, settings, place)
    missing = [key for key, it in parameters.items() if it.default is it.empty and key not in values]
    if missing:
        raise ConfigError(f"{place}: {name} needs {', '.join(missing)}")
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{place}: {name} refuses its options: {error}") from error


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


def _parse(value: Any, annotation: Any, settings: FederationSettings, place: str) -> Any:
    if annotation is Strategy:
        table = {"use": value} if isinstance(value, str) else dict(value)
        return _build(str(table.pop("use", "FedAvg")), table, settings, place)
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
        return adapter.validate_python(value, strict=True)
    except (ValidationError, PydanticSchemaGenerationError) as error:
        reason = explain(error) if isinstance(error, ValidationError) else "this option cannot be given in a file"
        raise ConfigError(f"{place}: {reason}") from error


def _require_enough_clients(values: dict[str, Any], settings: FederationSettings, place: str) -> None:
    for key, value in values.items():
        if key.startswith("min_") and value > settings.clients:
            raise ConfigError(f"{place}.{key}: expected at most federation.clients = {settings.clients}, got {value}")


def plain_fedavg(clients: int) -> FedAvg:
    """The ordinary averaging of the rounds before the recorded ones."""
    return FedAvg(fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
