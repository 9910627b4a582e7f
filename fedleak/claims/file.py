"""File of claims: `[[claims]]` tables of settings, or an experiment whose defenses are the claims."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedleak.claims.claimed import Claimed
from fedleak.claims.reading import setting_of
from fedleak.errors import ConfigError, DataError, first_line


def claims_of(path: Path, given: Mapping[str, Any]) -> tuple[Claimed, ...]:
    """The answer to each claim of a file; raises `DataError` and `ConfigError`."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {first_line(error)}") from error
    if "defenses" in tree or "task" in tree:
        from fedleak.claims.experiment import claims_of_experiment  # which takes PyTorch

        return claims_of_experiment(path, given)
    others = sorted(set(tree) - {"claims"})
    rows = tree.get("claims")
    if others or not isinstance(rows, list) or not rows:
        came = f"'{others[0]}'" if others else "none"
        raise ConfigError(f'{path}: expected [[claims]], each with a use = "LocalDpMod" or another; got {came}')
    return tuple(
        setting_of({**row, **given} if isinstance(row, dict) else row, f"{path}: claims.{number}")
        .claimed()
        .at(f"claims.{number}")
        for number, row in enumerate(rows)
    )
