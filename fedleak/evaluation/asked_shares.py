"""Shares of a property that an adversary is asked to tell apart: whether public examples have them at all."""

from fedleak.data.public import public_examples
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.learning.having import having, require_property
from fedleak.learning.source import Source
from fedleak.learning.space import space_of_source
from fedleak.settings.adversary import AdversarySettings

PLACE = "adversary"


def require_told_apart(adversary: AdversarySettings, source: Source, place: str = PLACE) -> None:
    """Raises `ConfigError` where nobody has the property, or public examples are too one-sided for a share of them.

    How many there must be is up to the attacks. Raises `DataError` where the data cannot be read.
    """
    if not adversary.property:
        return
    property, clients = adversary.property, load(source).clients
    require_property(space_of_source(source), property, source.classes, f"{place}.property")
    if not having(clients, property, f"{place}.property").any():
        raise ConfigError(
            f"{place}.property: nobody has '{property}' among the clients' {len(clients)} examples; name another "
            "property"
        )
    public = public_examples(source, adversary.auxiliary, adversary.lacks)
    if public is None:
        raise ConfigError(
            f"{place}.auxiliary: expected public examples to train models on whose share of '{property}' is known, got "
            "0; raise it"
        )
    has = having(public, property, f"{place}.property")
    for there, impossible, who in ((has, 0.0, "none has"), (~has, 1.0, "all have")):
        wrong = [share for share in adversary.shares if share != impossible]
        if not there.any() and wrong:
            raise ConfigError(
                f"{place}.shares: a share of {wrong[0]:g} cannot be made of the adversary's {len(public)} public "
                f"examples, of which {who} '{property}'; raise {place}.auxiliary, or name another property"
            )
