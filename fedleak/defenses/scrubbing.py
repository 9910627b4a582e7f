"""Scrubbing of texts: secrets that stand in a format which is known beforehand are struck out before training."""

import re
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError, echo
from fedleak.learning.batch import Batch, joined
from fedleak.learning.secret_format import BLANK
from fedleak.learning.space import require_text
from fedleak.learning.task import Task
from fedleak.learning.text import OTHER, Text, require_alphabet
from fedleak.settings.canary import WANTED


@defenses.register("scrubbing")
@dataclass(frozen=True, kw_only=True)
class Scrubbing(Defense):
    """Trains on text in which digits that stand in a format are struck out, each by the alphabet's last character.

    Once for each client's share, before any training, in windows and in their labels. `{digits}` stands for any number
    of digits, the rest of a format for itself. Windows that follow one another are read as the text that they are of;
    where a run of them begins or ends, a part of the format that reaches there will do, as the rest of it may have
    stood beyond. So digits with which a run begins are struck out too, be they of a secret or not.

    Nothing is proved: a secret in any other format stays, as do how many digits were struck out and what is around.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.08232"
    cites: ClassVar = "carlini2019secret"
    mixes_share: ClassVar = True  # what a window is part of goes by those beside it
    formats: tuple[str, ...]
    """As in "my pin is {digits}"; with "{digits}" alone all digits go."""

    def __post_init__(self) -> None:
        for one in self.formats or ("",):
            if one.count(BLANK) != 1:
                raise ConfigError(f"formats: expected {WANTED}, got {echo(one)}")

    @property
    def caveat(self) -> str:
        return "it proves nothing: a secret that is typed in any other way stays in the text"

    def require(self, task: Task) -> None:
        space = require_text(task.space, f"'{self.name}'", ConfigError)
        for one in self.formats:
            require_alphabet(space, one.replace(BLANK, ""), f"'{self.name}': formats")

    def prepare(self, task: Task, share: Batch, rng: Generator) -> Batch:
        space = require_text(task.space, f"'{self.name}'", ConfigError)
        begins = (~space.goes_on(share)).nonzero()[:, 0] + 1
        runs = torch.arange(len(share)).tensor_split(begins)
        return joined([self._scrubbed(space, share[places]) for places in runs])

    def _scrubbed(self, space: Text, run: Batch) -> Batch:
        text = space.decode(torch.cat([run.inputs[0], space.coded(run.labels)]))
        for one in self.formats:
            before, after = (space.decode(space.encode(part)) for part in one.split(BLANK))
            text = _pattern(before, after).sub(lambda found: found[1] + OTHER * len(found[2]), text)
        values = space.encode(text)
        inputs = values.unfold(0, space.length, 1)[: len(run)].contiguous()
        return replace(run, inputs=inputs, labels=space.places(values[space.length :]))


def _pattern(before: str, after: str) -> re.Pattern[str]:
    """Digits between both, or between what is left of them where a text begins or ends."""
    lefts = "|".join([re.escape(before), *(rf"\A{re.escape(before[cut:])}" for cut in range(1, len(before) + 1))])
    rights = "|".join([re.escape(after), *(rf"{re.escape(after[:cut])}\Z" for cut in range(len(after)))])
    return re.compile(rf"({lefts})([0-9]+)(?={rights})")
