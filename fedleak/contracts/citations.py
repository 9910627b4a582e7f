"""Citations: the BibTeX entries of the papers that plug-ins follow, a paper once."""

import re
from functools import cache
from importlib.resources import files


@cache
def bibliography() -> dict[str, str]:
    """The entries of `citations.bib`, as they are written there, by key."""
    text = files("fedleak").joinpath("citations.bib").read_text(encoding="utf-8")
    entries = re.split(r"^(?=@)", text, flags=re.MULTILINE)[1:]
    return {entry[entry.index("{") + 1 : entry.index(",")]: entry.strip() for entry in entries}
