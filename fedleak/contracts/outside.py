"""Plug-ins from outside, as the catalogue lists them: they have to be imported to be known."""

from collections.abc import Iterable
from dataclasses import MISSING, fields

from fedleak.contracts.attack import attacks
from fedleak.contracts.catalogue import OUTSIDE, Entry, Kind, in_order, summary_of
from fedleak.contracts.defense import Defense, defenses
from fedleak.contracts.manipulation import manipulations
from fedleak.contracts.metric import metrics
from fedleak.contracts.plugin import Plugin, plain
from fedleak.contracts.tampering import tamperings

REGISTRIES: dict[Kind, Iterable[type[Plugin]]] = {
    "attack": attacks,
    "defense": defenses,
    "metric": metrics,
    "tampering": tamperings,
    "manipulation": manipulations,
}


def imported_entries(kind: Kind) -> list[Entry]:
    """All plug-ins of a kind, ours too, as their classes say."""
    return [described(cls) for cls in REGISTRIES[kind]]


def described(cls: type[Plugin]) -> Entry:
    """The entry of a class that is imported."""
    defaults = {
        one.name: one.default if one.default_factory is MISSING else one.default_factory()
        for one in fields(cls)  # type: ignore[arg-type]
    }
    return Entry(
        name=cls.name,
        family=OUTSIDE,
        acts_on=in_order(cls.acts_on) if issubclass(cls, Defense) else (),
        summary=summary_of(cls.__doc__),
        options={name: plain(value) for name, value in defaults.items() if value is not MISSING},
        needed=tuple(name for name, value in defaults.items() if value is MISSING),
        paper=cls.paper,
        bibtex=cls.citation(),
    )
