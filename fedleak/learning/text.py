"""Text as an input space: windows of characters, coded by their places in an alphabet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fedleak.errors import ConfigError, echo
from fedleak.learning.batch import Batch
from fedleak.learning.input_space import InputSpace

SPACE = " "
"""The first of an alphabet: any whitespace, and what stands in front of the beginning of a text."""
OTHER = "\N{REPLACEMENT CHARACTER}"
"""The last of an alphabet: any character that it does not have."""
CELL, LINE = (8, 13), 8
"""Pixels across and down that a character takes in a picture, and how many of them stand in a line."""


@dataclass(frozen=True)
class Text(InputSpace):
    """Windows of `length` characters, each a value in [-1, 1]: -1 the first of the alphabet, 1 the last, others evenly
    between. What models predict of a window is the character that comes next, by its place in the alphabet.
    """

    alphabet: str
    """Different characters in lower case, `SPACE` first and `OTHER` last."""
    length: int = 16
    kind: ClassVar = "text"
    noun: ClassVar = "window"
    consecutive: ClassVar = True
    continuous: ClassVar = False

    @property
    def shape(self) -> tuple[int]:
        return (self.length,)

    @property
    def bounds(self) -> tuple[float, float]:
        return -1.0, 1.0

    @property
    def words(self) -> str:
        return f"windows of {self.length} characters"

    @property
    def fewest(self) -> int:
        return self.length

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.alphabet)

    def places(self, values: Float[Tensor, "*any"]) -> Int[Tensor, "*any"]:
        """The place in the alphabet that each value is nearest to; that of `SPACE` where it is not finite."""
        return places_of(values, len(self.alphabet))

    def coded(self, places: Int[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The values of characters that stand at these places."""
        return 2 * places.float() / (len(self.alphabet) - 1) - 1

    def encode(self, text: str) -> Float[Tensor, " n"]:
        """Each character of a text as a value, in lower case; whitespace is `SPACE`, what is unknown `OTHER`."""
        return self.coded(self._places_in(text))

    def decode(self, values: Float[Tensor, " n"]) -> str:
        """The characters that values are nearest to."""
        return "".join(self.alphabet[place] for place in self.places(values).tolist())

    def windows(self, text: str) -> Batch:
        """A window for each character of a text, which is its label: the characters before, the last of them last.

        Before the beginning of the text there are spaces.
        """
        labels = self._places_in(text)
        before = torch.cat([torch.zeros(self.length, dtype=labels.dtype), labels])
        inputs = self.coded(before).unfold(0, self.length, 1)[: len(labels)].contiguous()
        return Batch(inputs, labels, self)

    def goes_on(self, windows: Batch) -> Bool[Tensor, " after_the_first"]:
        """Whether each window but the first is the one before it moved on by a character, its label."""
        inputs, labels = windows.inputs, windows.labels
        return (inputs[1:, :-1] == inputs[:-1, 1:]).all(1) & (inputs[1:, -1] == self.coded(labels[:-1]))

    def settled(self, values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The nearest values that are characters."""
        return self.coded(self.places(values)).to(values.dtype)

    def said(self, example: Float[Tensor, " length"]) -> dict[str, str]:
        """The window as text."""
        return {"text": self.decode(example.detach())}

    def picture(self, example: Float[Tensor, " length"]) -> Float[Tensor, "1 height width"]:
        """The window in print, black on white."""
        from PIL import Image, ImageDraw  # only who draws needs it

        text, (wide, high) = self.decode(example.detach()), CELL
        page = Image.new("L", (wide * min(LINE, self.length), high * -(-self.length // LINE)), "white")
        pen = ImageDraw.Draw(page)
        for place, character in enumerate(text):
            pen.text((place % LINE * wide + wide // 2, place // LINE * high), character, fill="black", anchor="ma")
        return torch.from_numpy(np.asarray(page, dtype=np.float32) / 255)[None]

    @classmethod
    def of_facts(cls, values: Mapping[str, Any]) -> "Text":
        return cls(alphabet=values["alphabet"], length=values["length"])

    def _places_in(self, text: str) -> Int[Tensor, " n"]:
        index = {character: place for place, character in enumerate(self.alphabet)}
        other = index[OTHER]
        return torch.tensor([0 if one.isspace() else index.get(one.lower(), other) for one in text], dtype=torch.int64)


def require_alphabet(space: Text, written: str, what: str) -> None:
    """Raises `ConfigError` where a text that `what` names has a character that the alphabet does not have."""
    unknown = [one for one in written if one != OTHER and space.decode(space.encode(one)) == OTHER]
    if unknown:
        raise ConfigError(
            f"{what}: {echo(unknown[0])} is not in the alphabet of this text, {echo(space.alphabet[:-1])}; "
            "write the format in its characters"
        )


def places_of(values: Float[Tensor, "*any"], characters: int) -> Int[Tensor, "*any"]:
    """The place that each value is nearest to, of so many evenly from -1 to 1; the first where it is not finite."""
    finite = values.nan_to_num(-1.0, posinf=1.0, neginf=-1.0).clamp(-1, 1)
    return ((finite + 1) * ((characters - 1) / 2)).round().long()
