"""Kinds of training: what tells the settings of a run apart beside the server, in words."""

from collections.abc import Iterable, Mapping

from fedleak.formatting import setting_in_words
from fedleak.results.schema import Setting, setting_key
from fedleak.settings.base import Scalar
from fedleak.settings.server import ROW

VARY = "vary"
"""The key of a named combination."""


class Kinds:
    """The words for each setting of a run: of a named combination its name, and beside it what varies within it."""

    def __init__(self, settings: Iterable[Mapping[str, Scalar]]) -> None:
        values: dict[tuple[Scalar, str], set[Scalar]] = {}
        known = {setting_key(setting): setting for setting in settings}
        for setting in known.values():
            for key, value in setting.items():
                values.setdefault((setting.get(VARY, ""), key), set()).add(value)
        self._words: dict[Setting, str] = {
            key: _words(
                setting,
                {name for (vary, name), own in values.items() if vary == setting.get(VARY, "") and len(own) > 1},
            )
            for key, setting in known.items()
        }

    def of(self, setting: Mapping[str, Scalar]) -> str:
        """In words, without the server; empty where nothing else varies."""
        return self._words[setting_key(setting)]


def _words(setting: Mapping[str, Scalar], within: set[str]) -> str:
    others = {key: value for key, value in setting.items() if key not in (ROW, VARY)}
    if not setting.get(VARY):
        return setting_in_words(others)
    return ", ".join(
        filter(None, [str(setting[VARY]), setting_in_words({k: v for k, v in others.items() if k in within})])
    )
