"""Policy of a site: what may leave it, as a TOML file of its own, named by FEDLEAK_GUARD and read once."""

import os
import re
import stat
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from fedleak.errors import ConfigError
from fedleak.settings.base import GOT, Amount, Count, Rate, Settings, Share, parse_settings

POLICY = "FEDLEAK_GUARD"
"""The environment variable that names the policy's file."""
NUM_EXAMPLES = "num-examples"
BUFFERS = ("*running_mean", "*running_var")
COUNTERS = ("*num_batches_tracked",)
MESSAGE_TYPE = r"(train|evaluate|query)(\.[A-Za-z_]\w*)?|get_parameters|get_properties"
Finite = Annotated[float, Field(allow_inf_nan=False)]


def _checked_reference(value: str) -> str:
    if re.fullmatch(r"[\w.]+:\w+", value) is None:
        raise PydanticCustomError("reference", "MODULE:NAME")
    return value


Reference = Annotated[str, AfterValidator(_checked_reference)]


class Figure(Settings):
    """A metric that may leave: one number, within `min` and `max`."""

    min: Finite
    max: Finite
    whole: bool = False
    decimals: int | None = Field(None, ge=0, le=15)
    required: bool = False


class Entry(Settings):
    """An entry of a config record that may leave: one of `values`, a number within bounds, or a text or bytes no longer
    than `max_length`."""

    type: Literal["bool", "int", "float", "str", "bytes"]
    values: tuple[bool | int | float | str, ...] | None = None
    min: Finite | None = None
    max: Finite | None = None
    max_length: Count | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Entry":
        numbers = self.type in ("int", "float")
        bounded = self.min is not None and self.max is not None if numbers else self.max_length is not None
        if not (self.type == "bool" or self.values or bounded):
            raise PydanticCustomError(
                "entry", "values, or min and max of a number, or max_length of a text", {GOT: "none"}
            )
        return self


class Replies(Settings):
    """What may leave in reply to one type of message, and how often."""

    rounds: Count
    per_round: Count = 1
    arrays: bool = False
    metrics: dict[str, Figure] = Field(default_factory=dict)
    config: dict[str, Entry] = Field(default_factory=dict)
    records: tuple[str, ...] = ("arrays", "metrics", "config")


class Arrays(Settings):
    """What arrays that leave must be, beside those that came: names, order, shapes and types are theirs."""

    missing: tuple[str, ...] = ()
    buffers: tuple[str, ...] = BUFFERS
    counters: tuple[str, ...] = COUNTERS
    max_steps: Count = 100_000
    norm_of: Literal["floating", "parameters"] = "floating"
    max_norm: Rate | None = None
    min_norm: Amount | None = None
    max_entry: Rate | None = None
    max_distance: Rate | None = None
    multiple_of: Rate | None = None
    max_changed: Share | None = None


class Required(Settings):
    """A mod that the app must have around what answers, with bounds on its numbers: `epsilon_max = 8`."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    mod: str

    @model_validator(mode="after")
    def _bounds(self) -> "Required":
        for key, value in (self.model_extra or {}).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if re.fullmatch(r"\w+_(min|max)", key) is None or not number:
                raise PydanticCustomError("bound", "keys that end in _min or _max, with numbers", {GOT: key})
        return self

    @property
    def bounds(self) -> list[tuple[str, str, float]]:
        """Name of a number, `min` or `max`, and the bound."""
        extra: dict[str, Any] = self.model_extra or {}
        return [(*key.rpartition("_")[::2], float(value)) for key, value in extra.items()]


class Examples(Settings):
    """The site's own examples, which no array may look like: an .npz file or MODULE:NAME."""

    source: str
    max_correlation: float = Field(gt=0, lt=1)


class Policy(Settings):
    """What may leave a site; what is not said may not."""

    messages: dict[str, Replies]
    app: Reference | None = None
    arrays: Arrays = Arrays()
    requires: tuple[Required, ...] = ()
    examples: Examples | None = None
    max_bytes: Count | None = None
    runs: Count | None = None
    per: Literal["site", "node"] = "site"
    state: str = "guard-state.json"
    journal: str = "guard-journal.jsonl"

    @field_validator("messages")
    @classmethod
    def _types(cls, value: dict[str, Replies]) -> dict[str, Replies]:
        for name in value:
            if re.fullmatch(MESSAGE_TYPE, name) is None:
                raise PydanticCustomError(
                    "type", "types of messages, as train, evaluate, query or train.step", {GOT: name}
                )
        return value


@lru_cache(maxsize=8)
def load_policy(path: Path) -> Policy:
    """Reads a policy, once a process; paths in it count from its folder. Raises `ConfigError` in one sentence."""
    try:
        if path.stat().st_mode & stat.S_IWOTH:
            raise ConfigError(f"the policy {path} can be written by everybody; take that right away (chmod o-w)")
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the policy {path}: {error.strerror}; {POLICY} must name it") from error
    except ValueError as error:
        raise ConfigError(f"the policy {path} is no TOML: {error}") from error
    try:
        policy = parse_settings(Policy, tree)
    except ConfigError as error:
        raise ConfigError(f"the policy {path}: {error}") from error
    below = path.resolve().parent
    update: dict[str, Any] = {"state": str(below / policy.state), "journal": str(below / policy.journal)}
    if policy.examples is not None and policy.examples.source.endswith(".npz"):
        update["examples"] = policy.examples.model_copy(update={"source": str(below / policy.examples.source)})
    return policy.model_copy(update=update)


def site_policy() -> Policy:
    """The policy that FEDLEAK_GUARD names; raises `ConfigError` where there is none."""
    named = os.environ.get(POLICY, "")
    if not named:
        raise ConfigError(f"no policy: set {POLICY} to the path of the site's policy")
    return load_policy(Path(named))
