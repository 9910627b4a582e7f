"""Texts: what Python's own help says, and a user's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.data.loader import Loader, loaders
from fedleak.learning.batch import Batch, joined
from fedleak.learning.source import Part, Source
from fedleak.learning.space import require_text, space_of_source
from fedleak.texts.described import corpus_of, described

MOST_TESTED = 2_000
"""Windows that a model is tested on at most, evenly over the test stretches; half of them are what users of a service
ask, and detectors take the square of their number."""


@dataclass(frozen=True, kw_only=True)
class TextLoader(Loader):
    """The windows of a text, by the alphabet of its public stretches, in the order of the text."""

    def read(self, source: Source) -> Batch:
        return joined(windows for _, windows in self._stretches(source))

    def parts(self, source: Source) -> Int[Tensor, " windows"]:
        """A stretch is one part's: no window reaches into another's."""
        return torch.cat([torch.full((len(windows),), int(part)) for part, windows in self._stretches(source)])

    def _stretches(self, source: Source) -> Iterator[tuple[Part, Batch]]:
        source = described(source)
        space = require_text(space_of_source(source), f"'{source.name}'")
        corpus = corpus_of(source)
        tested = sum(map(len, corpus.held_by(Part.TEST)))
        apart = -(-tested // MOST_TESTED)
        for part, text in corpus.stretches():
            windows = space.windows(text)
            yield part, windows[torch.arange(0, len(windows), apart)] if part is Part.TEST else windows


@loaders.register("pydoc")
@dataclass(frozen=True, kw_only=True)
class Pydoc(TextLoader):
    """What Python's `help` says of topics of the language, which comes with every Python; versions differ in it."""

    paper: ClassVar = "https://docs.python.org/3/reference/"
    cites: ClassVar = "pythonreference"


@loaders.register("text")
@dataclass(frozen=True, kw_only=True)
class OwnText(TextLoader):
    """The text of a file, or of all files that end in .txt below a folder."""

    paper: ClassVar = "https://www.rfc-editor.org/rfc/rfc3629"
    cites: ClassVar = "yergeau2003utf8"
