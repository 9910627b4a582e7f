"""What a gallery shows, before it is drawn."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image with a line below it; without an image, the reason in words takes its place."""

    image: Float[Tensor, "channels height width"] | None = None
    caption: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of pictures, one for each column."""

    title: str
    subtitle: str = ""
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A gallery: the truth first, the prior last, and what is not shown."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    note: str = ""
