"""Sources of texts: what is public of one, read from the text that it names."""

import json
import string
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from fedleak.errors import DataError, first_line
from fedleak.learning.source import Part, Source
from fedleak.learning.text import OTHER, SPACE, Text
from fedleak.settings.base import Count, Settings, parse_settings
from fedleak.texts.corpus import Corpus

ALWAYS = SPACE + string.ascii_lowercase + string.digits
"""Characters that every alphabet has, whatever the public text."""
CHARACTERS = 64
"""Of an alphabet at most; those of the public text that are left out are one."""
ENDING = ".txt"


class TextOptions(Settings):
    """`[task] data_options` of a text."""

    length: Count = 16
    """Characters that a model sees of what comes before the one it predicts."""


def pydoc(source: Source) -> str:  # noqa: ARG001
    """What Python's own `help` says of its topics."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def own(source: Source) -> str:
    """The text in the file `source.path`, or in all files of text below that folder, in the order of their paths."""
    path = source.path
    assert path is not None, "its source always has its path"
    if not path.exists():
        raise DataError(f"expected a file of text, {path} is none; give the path of one, or of a folder of {ENDING}")
    files = sorted(path.rglob(f"*{ENDING}")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"expected files of text in {path}, found no {ENDING}; give another folder")
    return "\n".join(map(_read, files))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as text in UTF-8 ({first_line(error)}); save it as such") from error


READERS: dict[str, Callable[[Source], str]] = {"pydoc": pydoc, "text": own}
"""What reads a text, by the name of its source."""


@lru_cache(maxsize=16)
def described(source: Source) -> Source:
    """The source of a text with its alphabet and the length of a window; any other source as it is.

    Raises `DataError` where the text cannot be read or is too short, `ConfigError` for an option that there is not.
    """
    if source.name not in READERS or source.space:
        return source
    corpus = corpus_of(source)
    space = Text(alphabet=alphabet_of(corpus), length=corpus.length)
    return replace(source, shape=space.shape, classes=len(space.alphabet), space=json.dumps(space.facts()))


def corpus_of(source: Source) -> Corpus:
    """The text that a source names."""
    length = parse_settings(TextOptions, json.loads(source.options), "task.data_options").length
    return Corpus.of(str(source.path or source.name), READERS[source.name](source), length)


def alphabet_of(corpus: Corpus) -> str:
    """Space, letters and digits, what the public stretches have most of besides, and one for all others."""
    counts = Counter("".join(corpus.held_by(Part.AUXILIARY)).lower())
    besides = sorted((one for one in counts if one not in ALWAYS + OTHER), key=lambda one: (-counts[one], one))
    return ALWAYS + "".join(sorted(besides[: CHARACTERS - len(ALWAYS) - 1])) + OTHER
