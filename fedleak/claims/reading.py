"""Reading a setting out of a table, by what it is of."""

from typing import Any

from fedleak.claims.local_dp_mod import ClippingMod, LocalDpModSetting
from fedleak.claims.privacy_engine import PrivacyEngineSetting
from fedleak.claims.server_wrappers import AdaptiveClipping, FixedClipping
from fedleak.claims.setting import DpSetting
from fedleak.errors import ConfigError, did_you_mean, echo
from fedleak.settings.base import parse_settings

KINDS: tuple[type[DpSetting], ...] = (
    LocalDpModSetting, ClippingMod, FixedClipping, AdaptiveClipping, PrivacyEngineSetting,
)  # fmt: skip
BY_USE = {name: kind for kind in KINDS for name in kind.uses}
"""Every kind of setting, by each of its names."""


def setting_of(table: Any, where: str) -> DpSetting:
    """The setting in a table; raises `ConfigError` with what was expected."""
    name = table.get("use") if isinstance(table, dict) else None
    if not isinstance(name, str) or name not in BY_USE:
        wanted = f"use = one of {', '.join(BY_USE)}"
        came = "no table" if not isinstance(table, dict) else "none" if name is None else echo(name)
        hint = did_you_mean(name, BY_USE) if isinstance(name, str) else ""
        raise ConfigError(f"{where}: expected {wanted}; got {came}{hint}")
    if "epsilon" in table and "delta" not in table and "delta" in BY_USE[name].model_fields:
        raise ConfigError(f"{where}: epsilon = {table['epsilon']} means nothing without delta; give it too")
    return parse_settings(BY_USE[name], table, where)
