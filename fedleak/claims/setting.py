"""Settings of differential privacy as people write them, by the names that Flower and Opacus give them."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar

from pydantic import Field

from fedleak.claims.claimed import Claimed
from fedleak.errors import ConfigError, did_you_mean, echo
from fedleak.settings.base import Count, Settings, parse_settings

Delta = Annotated[float, Field(gt=0, lt=1)]
DELTA = 1e-5
"""Where a setting names none."""


class DpSetting(Settings, ABC):
    """A setting that is worth some epsilon."""

    use: str
    uses: ClassVar[tuple[str, ...]]
    """Names of the classes or functions whose arguments the fields are."""
    rounds: Count = 1
    """Rounds of the federation that a client takes part in at most."""
    clients: Count | None = None
    """In the whole federation."""

    @abstractmethod
    def claimed(self) -> Claimed:
        """What it is worth, and what is wrong in it."""


def settings_by_use() -> dict[str, type[DpSetting]]:
    """Every kind of setting, by each of its names."""
    from fedleak.claims.local_dp_mod import ClippingMod, LocalDpModSetting
    from fedleak.claims.privacy_engine import PrivacyEngineSetting
    from fedleak.claims.server_wrappers import AdaptiveClipping, FixedClipping

    kinds: tuple[type[DpSetting], ...] = (
        LocalDpModSetting, ClippingMod, FixedClipping, AdaptiveClipping, PrivacyEngineSetting,
    )  # fmt: skip
    return {name: kind for kind in kinds for name in kind.uses}


def setting_of(table: Any, where: str) -> DpSetting:
    """The setting in a table; raises `ConfigError` with what was expected."""
    known = settings_by_use()
    name = table.get("use") if isinstance(table, dict) else None
    if not isinstance(name, str) or name not in known:
        wanted = f"use = one of {', '.join(known)}"
        came = "no table" if not isinstance(table, dict) else "none" if name is None else echo(name)
        hint = did_you_mean(name, known) if isinstance(name, str) else ""
        raise ConfigError(f"{where}: expected {wanted}; got {came}{hint}")
    if "epsilon" in table and "delta" not in table and "delta" in known[name].model_fields:
        raise ConfigError(f"{where}: epsilon = {table['epsilon']} means nothing without delta; give it too")
    return parse_settings(known[name], table, where)
