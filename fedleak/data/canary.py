"""Canary: types a secret into a client's text, so that windows across it are among the client's examples."""

from dataclasses import replace

import torch

from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch, joined
from fedleak.learning.secret_format import BLANK, SecretFormat
from fedleak.learning.space import require_text
from fedleak.learning.text import Text
from fedleak.randomness import generator
from fedleak.settings.canary import Canary

PLACE = "federation.canary"


def secret_of(canary: Canary, seed: int) -> str:
    """The secret, uniform over all of its digits; the same for the seed however often it is typed, and by whom."""
    digits = torch.randint(10, (canary.digits,), generator=generator(seed, "canary", canary.format))
    return "".join(map(str, digits.tolist()))


def with_canary(share: Batch, canary: Canary, seed: int) -> Batch:
    """A client's windows after it typed the canary, as often as was asked, at places between them by chance.

    What followed such a place follows the canary now. Raises `ConfigError` where the examples are no text, or the share
    has fewer places than that or is shorter than the canary.
    """
    space = require_text(share.space, PLACE, ConfigError)
    text = SecretFormat.of(canary.format, canary.digits).typed(secret_of(canary, seed))
    if canary.times > len(share) or len(text) > len(share):
        typed = canary.format.replace(BLANK, f"{canary.digits} digits")
        raise ConfigError(
            f"{PLACE}: '{typed}' of {len(text)} characters, {canary.times} times, does not go into client "
            f"{canary.client}'s text of {len(share)}; give it more examples, or type it less often"
        )
    places = torch.randperm(len(share), generator=generator(seed, "canary places"))[: canary.times]
    for place in places.sort(descending=True).values.tolist():  # the last first: what is before it stays where it is
        share = _typed(share, space, text, place)
    return share


def _typed(share: Batch, space: Text, text: str, place: int) -> Batch:
    """The windows of a text into which another was typed in front of the character that one of them is about."""
    after = share[torch.arange(place, place + _following(share, space, place))]
    behind = torch.cat([space.encode(text), space.coded(after.labels)])
    run = torch.cat([share.inputs[place], behind])
    windows = run.unfold(0, space.length, 1)[: len(behind)].contiguous()
    typed = replace(share, inputs=windows, labels=space.places(behind))
    rest = torch.arange(place + len(after), len(share))
    return joined([share[torch.arange(place)], typed, share[rest]])


def _following(share: Batch, space: Text, place: int) -> int:
    """How many windows from a place on have something in them of what stood there: fewer where a stretch ends."""
    ahead = share[torch.arange(place, min(place + space.length, len(share)))]
    return 1 + int(space.goes_on(ahead).long().cumprod(0).sum())
