"""Settings as keys: what varies in a campaign, by dotted key, in an order that tells equal ones."""

from collections.abc import Mapping

from fedleak.settings import Scalar

Setting = tuple[tuple[str, Scalar], ...]
"""As in `Row.setting`, sorted by key."""


def setting_key(setting: Mapping[str, Scalar]) -> Setting:
    """The same for settings that are equal, whatever the order they were written in."""
    return tuple(sorted(setting.items()))
