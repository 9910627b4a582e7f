"""The tables of an experiment file that a federation is run from, parsed with one sentence for what is wrong."""

import json
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedleak.errors import ConfigError, did_you_mean
from fedleak.training import LocalTraining, Mode

Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Table = dict[str, Any]
TrainingFact = Literal["batch_size", "batches", "epochs", "learning_rate", "momentum", "weight_decay", "mode"]


class Settings(BaseModel):
    """A table of the experiment file: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FederationSettings(Settings):
    """Who trains, on what share of the data, how, and with which Flower strategy."""

    clients: Count = 4
    rounds: Count = 1
    partition: Literal["iid", "dirichlet", "by-class"] = "iid"
    dirichlet_alpha: Rate = 0.5
    classes_per_client: Count = 2
    strategy: str = "FedAvg"
    strategy_options: Table = {}
    """Keyword arguments of the strategy's constructor, as Flower names them."""
    batch_size: Count = 1
    batches: Count | Literal["all"] = 1
    """Batches of one epoch; "all" takes a client's whole share."""
    epochs: Count = 1
    learning_rate: Rate = 0.1
    momentum: Share = 0.0
    weight_decay: Amount = 0.0
    mode: Mode = "train"
    fraction_evaluate: Share = 0.0
    """Share of the clients that evaluate the new model each round."""

    def training(self, batches: int | None = None) -> LocalTraining:
        """The facts of local training; `batches` resolves "all" once a client knows its share."""
        return LocalTraining(
            batch_size=self.batch_size,
            batches=self.batches if isinstance(self.batches, int) else batches,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            mode=self.mode,
        )


class ModelSettings(Settings):
    """Where the weights of round 1 come from: fresh, from a checkpoint, or after some rounds nobody attacks."""

    checkpoint: str | None = None
    """A torch or safetensors `state_dict`."""
    trained_rounds: Annotated[int, Field(ge=0)] = 0
    """Rounds of ordinary federated averaging before the recorded ones."""
    trained_batch_size: Count = 32
    trained_learning_rate: Rate = 0.05
    trained_momentum: Share = 0.9


class AdversarySettings(Settings):
    """What the adversary does not know, and what public data it holds."""

    unknown: tuple[TrainingFact, ...] = ()
    auxiliary: Annotated[int, Field(ge=0)] = 256
    """Public examples of the same kind as the clients', disjoint from theirs."""


class PlanSettings(Settings):
    """What one federation needs to know: this and nothing else travels in Flower's run config."""

    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    task: str
    federation: FederationSettings = FederationSettings()
    model: ModelSettings = ModelSettings()
    adversary: AdversarySettings = AdversarySettings()


SettingsT = TypeVar("SettingsT", bound=Settings)


def parse_settings(model: type[SettingsT], tree: Any, where: str = "") -> SettingsT:
    """Settings from plain data; raises `ConfigError` with the place (below `where`), what was expected, what came."""
    try:
        return model.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise ConfigError(f"{where}.{_sentence(model, error)}" if where else _sentence(model, error)) from error
    except TypeError as error:
        raise ConfigError(f"{error}; use strings, numbers, booleans, lists and tables") from error


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    # A typo leaves a needed field missing too; the unknown one tells more.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    path = [str(part) for part in first["loc"]]
    place = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown field{did_you_mean(path[-1], _fields_at(model, path[:-1]))}"
    if first["type"] == "missing":
        return f"{place}: missing, and needed"
    return f"{place}: expected {first['msg'].removeprefix('Input should be ')}, got {first['input']!r}"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """The names that are allowed where `path` leads (numbers in it are places in a list)."""
    names = [part for part in path if not part.isdigit()]
    for name in names:
        annotation = model.model_fields[name].annotation
        candidates = [annotation, *get_args(annotation)]
        model = next(kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]
