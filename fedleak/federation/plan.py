"""Plan of a federation, and its form in Flower's flat run config."""

import hashlib
import json
import random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic.fields import FieldInfo

from fedleak.contracts.at_cut import require_place
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulated import built as built_manipulations
from fedleak.contracts.manipulation import Manipulation
from fedleak.contracts.tampered import built
from fedleak.contracts.tampering import Tampering
from fedleak.errors import ConfigError
from fedleak.learning.source import Source
from fedleak.learning.task import Task
from fedleak.randomness import seed_of
from fedleak.settings.adversary import OF_CUTS
from fedleak.settings.base import Settings, Table, parse_settings
from fedleak.settings.dropouts import STAGES, Stage, so_many
from fedleak.settings.federation import FederationSettings, PlanSettings
from fedleak.settings.task import TaskSettings
from fedleak.tasks import hardened, source_of

Recorded = Literal["updates", "model", "cut"]
EVERYTHING: tuple[Recorded, ...] = ("updates", "model", "cut")
RunConfig = dict[str, bool | int | float | str]
TABLES_OR_WORDS = ("task", "federation.dropouts", "federation.release", "federation.columns")
"""What is a table or a list in some runs, and then JSON, and a plain word or number in others."""


class FederationPlan(PlanSettings):
    """One federation under one chain of defenses: everything that the two apps know beforehand.

    Relative paths count from the working directory of the process that uses them, which under `flwr run` is the one
    that the SuperLink was started in; `absolute` fixes them.
    """

    defense: str = "none"
    """Name of the chain in the experiment."""
    chain: tuple[Table, ...] = ()
    recordings: str
    """Folder that the server writes what it saw to."""
    vault: str
    """Folder that the clients keep the truth in."""
    records: tuple[Recorded, ...] = EVERYTHING
    """What is recorded: each message of the recorded rounds, the model where it leaves the federation. What the
    strategy sees is the same either way."""

    def defenses(self) -> Chain:
        """The chain of defenses, as it acts in this run; raises `ConfigError` where one has no place in it."""
        chain = Chain.build(self.chain)
        require_place(chain.defenses, columns=self.federation.split is not None)
        return chain.planned(self.phases)

    def tampering(self) -> tuple[Tampering, ...]:
        """What the clients' training code does beside training."""
        return built(self.adversary.does)

    def manipulations(self) -> tuple[Manipulation, ...]:
        """What the server does beside averaging."""
        return built_manipulations(self.server.chain)

    @property
    def source(self) -> Source:
        """What is public about the data."""
        return source_of(self.task)

    def public_task(self) -> Task:
        """The task with the network that is trained under the defenses."""
        return hardened(self.task, self.defenses(), self.federation.split, self.manipulations())

    def recorded(self, round: int) -> bool:
        """Whether the server records the round; those after it are for utility."""
        return round <= self.federation.rounds

    def taps(self, round: int) -> bool:
        """Whether the messages of the round are recorded."""
        return "updates" in self.records and self.recorded(round)

    def cuts(self, round: int) -> bool:
        """Whether parties and relay keep diaries of the round."""
        return "cut" in self.records and 1 <= round <= self.federation.rounds

    def released(self, round: int) -> bool:
        """Whether the model is recorded after the round."""
        return "model" in self.records and round in self.models

    def evaluated(self, round: int) -> bool:
        """Whether the model is tested after the round, where there are rounds for utility."""
        after = round - self.federation.rounds
        return round > 0 and (after <= 0 or after % self.utility.every == 0 or round == self.rounds)

    def training(self, round: int = 1) -> FederationSettings:
        """How clients train under the defenses; of a federation's settings, all the rest is not theirs to change."""
        if round < 1 and self.federation.split is not None:
            return FederationSettings(**{**self.federation.model_dump(), **self.model.training})
        federation = self.federation if self.recorded(round) else self.utility.instead_of(self.federation)
        return self.defenses().settings(federation)

    def session_name(self, round: int) -> bytes:
        """32 bytes that no round of another plan has: secrets of two that share a seed differ, or would cancel out.

        Rounds for utility are left out of recorded ones, which are the same whatever comes after them.
        """
        left_out: dict[str, Any] = {"recordings": True, "vault": True, "records": True}
        skew = self.federation.skew
        unused: dict[str, bool | set[str]] = {"release": True}
        unused |= {"skew": True} if not skew.property else {"skew": {"shares"}} if not skew.shares else {}
        unused |= {"canary": True} if not self.federation.canary.format else {}
        unused |= {"planted": True} if not self.federation.planted else {}
        unused |= {"examples": True} if self.federation.examples is None else {}
        unused |= {"partition": True, "columns": True, "cut": True} if self.federation.split is None else {}
        asked = {"lacks", "hidden", "masked", "property", "shares", "queries", "patience", "explanations", *OF_CUTS}
        asked |= {"does"} if not self.adversary.does else set()
        left_out |= {"federation": unused, "adversary": asked}
        left_out |= {"server": True} if self.server.honest else {}
        left_out |= {"model": {"trained_examples"}} if self.model.trained_examples is None else {}
        left_out |= {"task": {"folder"}} if self.task.bundle is not None else {}
        left_out |= {"utility": True} if self.recorded(round) else {}
        left_out |= {"device": True} if self.device == "cpu" else {}
        text = self.model_dump_json(exclude=left_out)
        return hashlib.sha256(f"{round}/{text}".encode()).digest()

    def leaving(self, round: int) -> Mapping[int, Stage]:
        """The clients that leave a round, as the experiment asks, each with the first stage that it does not answer.

        Of a share, so many of all clients, drawn anew each round, each at a stage that is drawn too.
        """
        dropouts, clients = self.federation.dropouts, self.federation.clients
        if not isinstance(dropouts, float | int):
            named = [(one.client, one.stage) for one in dropouts if one.round in (None, round)]
            return dict(sorted(named, key=lambda one: STAGES.index(one[1]), reverse=True))
        rng = random.Random(seed_of(self.seed, "dropouts", round))
        return {client: rng.choice(STAGES) for client in sorted(rng.sample(range(clients), so_many(dropouts, clients)))}

    def absolute(self) -> "FederationPlan":
        """The same plan with paths that do not depend on a working directory."""
        paths = {"recordings": str(Path(self.recordings).resolve()), "vault": str(Path(self.vault).resolve())}
        if self.model.checkpoint is None:
            return self.model_copy(update=paths)
        model = self.model.model_copy(update={"checkpoint": str(Path(self.model.checkpoint).resolve())})
        return self.model_copy(update={**paths, "model": model})

    def to_run_config(self) -> RunConfig:
        """Dotted keys with scalar values; lists and tables as JSON, what is None left out."""
        return _flatten(self)

    @classmethod
    def from_run_config(cls, config: Mapping[str, bool | int | float | str]) -> "FederationPlan":
        """The plan in a run config; raises `ConfigError` for a key or a value that does not belong in one."""
        return _plan_in(tuple((key, type(value), value) for key, value in config.items()))

    @classmethod
    def _parsed(cls, config: Mapping[str, bool | int | float | str]) -> "FederationPlan":
        fields = _flat_fields(cls)
        tree: Table = {}
        for key, value in config.items():
            field = fields.get(key)
            if field is not None and field.default is None and value == "":
                continue  # TOML has no null, so in a run config an empty string says "none"
            *parents, name = key.split(".")
            node = tree
            for parent in parents:
                node = node.setdefault(parent, {})
            table = key in TABLES_OR_WORDS and str(value).startswith(("{", "["))
            node[name] = _parse(key, value) if table or (field is not None and _is_json(field)) else value
        return parse_settings(cls, tree)


@lru_cache(maxsize=64)
def _plan_in(config: tuple[tuple[str, type, bool | int | float | str], ...]) -> FederationPlan:
    """A client reads its plan from every message anew; the plan does not change. Types tell True from 1."""
    return FederationPlan._parsed({key: value for key, _, value in config})


def _flatten(settings: Settings, prefix: str = "") -> RunConfig:
    flat: RunConfig = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, TaskSettings):
            flat[prefix + name] = value.label if value.is_short else value.model_dump_json(exclude_none=True)
        elif isinstance(value, Settings):
            flat |= _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, tuple | dict):
            flat[prefix + name] = json.dumps(settings.model_dump(mode="json", include={name}, exclude_none=True)[name])
        elif value is not None:
            flat[prefix + name] = value
    return flat


def _flat_fields(model: type[Settings], prefix: str = "") -> dict[str, FieldInfo]:
    flat: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Settings) and kind is not TaskSettings:
            flat |= _flat_fields(kind, f"{prefix}{name}.")
        else:
            flat[prefix + name] = field
    return flat


def _is_json(field: FieldInfo) -> bool:
    return isinstance(field.default, tuple | dict)


def _parse(key: str, value: object) -> Any:
    try:
        return json.loads(str(value))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{key}: expected a list or table as JSON, got {value!r} ({error})") from error
