"""Flower app: settings of differential privacy in its source and run config, read without running any of it."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from fedleak.claims.calls import Call, calls_in
from fedleak.claims.claimed import Claimed
from fedleak.claims.reading import BY_USE, setting_of
from fedleak.errors import ConfigError, DataError, first_line

CONFIG = "pyproject.toml"
WRAPPER: Final = ("strategy", "noise_multiplier")
ADAPTIVE: Final = (
    "num_sampled_clients", "initial_clipping_norm", "target_clipped_quantile", "clip_norm_lr", "clipped_count_stddev",
)  # fmt: skip
POSITIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "LocalDpMod": ("clipping_norm", "sensitivity", "epsilon", "delta"),
    "fixedclipping_mod": (),
    "adaptiveclipping_mod": (),
    "DifferentialPrivacyServerSideFixedClipping": (*WRAPPER, "clipping_norm", "num_sampled_clients"),
    "DifferentialPrivacyClientSideFixedClipping": (*WRAPPER, "clipping_norm", "num_sampled_clients"),
    "DifferentialPrivacyServerSideAdaptiveClipping": (*WRAPPER, *ADAPTIVE),
    "DifferentialPrivacyClientSideAdaptiveClipping": (*WRAPPER, *ADAPTIVE),
    "make_private": ("self",),
    "make_private_with_epsilon": ("self",),
}
"""Parameters that Flower's and Opacus' classes and functions take by place."""
BY_NAME: Final[Mapping[str, tuple[str, ...]]] = {
    "make_private": ("noise_multiplier", "max_grad_norm", "poisson_sampling"),
    "make_private_with_epsilon": ("target_epsilon", "target_delta", "epochs", "max_grad_norm", "poisson_sampling"),
}
"""What is asked for where arguments of these are in a mapping that only running the app would tell."""
ROUNDS: Final = ("num-server-rounds", "num_server_rounds", "num-rounds", "num_rounds")
EPOCHS: Final = ("local-epochs", "local_epochs", "num-epochs", "epochs")
"""Keys of the run config that apps have them by."""
BESIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "ServerConfig": ("num_rounds",),
    "start": ("grid", "initial_arrays", "num_rounds"),
    "DataLoader": ("dataset", "batch_size"),
}
"""Calls that say how long a run is, and of what size batches are."""
OBJECTS: Final = ("strategy", "accountant", "module", "optimizer", "data_loader", "criterion", "noise_generator")
"""Parameters whose values are objects, which say nothing of the epsilon."""


def claims_in(folder: Path, given: Mapping[str, Any]) -> tuple[Claimed, ...]:
    """The answer to each setting in an app, `given` in place of what its source has.

    Raises `ConfigError` where there is no app or no such setting, or a value that only running it would tell.
    """
    config = run_config_of(folder)
    told = _told(folder, config)
    found = [_claimed(call, folder, told, given) for call in _calls(folder, config, POSITIONAL)]
    if not found:
        raise ConfigError(
            f"{folder}: expected a setting of differential privacy ({', '.join(POSITIONAL)}); there is none in its "
            "source"
        )
    return tuple(found)


def run_config_of(folder: Path) -> dict[str, Any]:
    """The run config in an app's `pyproject.toml`, nested tables by dotted keys."""
    path = folder / CONFIG
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{folder}: expected the folder of a Flower app, which has a {CONFIG}: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {first_line(error)}") from error
    return dict(_flat(tree.get("tool", {}).get("flwr", {}).get("app", {}).get("config", {})))


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _told(folder: Path, config: Mapping[str, Any]) -> dict[str, int]:
    """Rounds, local epochs and the size of batches, each where the run config or the source has one and no other."""
    found: dict[str, set[Any]] = {"rounds": set(), "epochs": set(), "batch_size": set()}
    dropped = False
    for field, keys in (("rounds", ROUNDS), ("epochs", EPOCHS)):
        found[field] = {config[key] for key in keys if key in config}
    for call in _calls(folder, config, BESIDE):
        for name, field in (("num_rounds", "rounds"), ("batch_size", "batch_size")):
            if name in call.known:
                found[field].add(call.known[name])
            elif name in call.unknown:
                found[field].add(None)
        if call.name == "DataLoader":
            if not {"batch_size", "batch_sampler", "**"} & {*call.known, *call.unknown}:
                found["batch_size"].add(1)  # as PyTorch has it
            dropped |= bool(call.known.get("drop_last", "drop_last" in call.unknown))
    told = {field: one.pop() for field, one in found.items() if len(one) == 1}
    told = {field: one for field, one in told.items() if isinstance(one, int)}
    return told | {"drop_last": dropped} | ({"local_epochs": told["epochs"]} if "epochs" in told else {})


def _calls(folder: Path, config: Mapping[str, Any], wanted: Mapping[str, Sequence[str]]) -> Iterator[Call]:
    for path in sorted(folder.rglob("*.py")):
        if not any(part.startswith(".") or part == "site-packages" for part in path.relative_to(folder).parts):
            yield from calls_in(path, wanted, config)


def _claimed(call: Call, folder: Path, told: Mapping[str, int], given: Mapping[str, Any]) -> Claimed:
    where = f"{call.path.relative_to(folder)}:{call.line}"
    fields = BY_USE[call.name].model_fields
    mine = {key: value for key, value in given.items() if key in fields}
    hidden = BY_NAME.get(call.name, POSITIONAL[call.name]) if "**" in call.unknown else ()
    unknown = [one for one in dict.fromkeys((*call.unknown, *hidden)) if one in fields and one not in OBJECTS]
    unknown = [one for one in unknown if one not in mine and one not in call.known]
    if unknown:
        raise ConfigError(
            f"{where}: {call.name} is given {' and '.join(unknown)} by what only running the app would tell; say it "
            f"with {' '.join(f'--set {one}=VALUE' for one in unknown)}"
        )
    table = {key: value for key, value in call.known.items() if key in fields and key not in OBJECTS}
    own = {key: value for key, value in told.items() if key in fields}
    if call.name == "make_private":  # whose epochs are all there are
        own.pop("local_epochs", None)
    claimed = setting_of({"use": call.name, **own, **table, **mine}, where).claimed().at(where)
    if "rounds" in own or "rounds" in mine:
        return claimed
    return replace(claimed, mind=(*claimed.mind, "rounds are not known, and taken as 1; give --set rounds=NUMBER"))
