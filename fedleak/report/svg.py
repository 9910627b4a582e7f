"""Inline SVG: a matplotlib figure as a part of the page, in the page's own font and colors, and without any script."""

import io
from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markupsafe import Markup
from matplotlib.figure import Figure

SERIES = ("#1c1b19", "#b04600", "#005f9e", "#00705a", "#98397a", "#755800", "#5a4ea6", "#7b3b2a")
INK, RULE, PAPER = "#5b5852", "#dcd8cf", "#fdfcfa"
VARIABLES = {INK: "var(--muted)", RULE: "var(--rule)", PAPER: "var(--paper)"} | {
    color: f"var(--s{i})" for i, color in enumerate(SERIES)
}
"""Every color a chart is drawn in, and the variable of the style sheet that it becomes: one for light and for dark."""
STYLE = {
    "svg.fonttype": "none",  # words stay words, in the font of the page
    "svg.hashsalt": "fedleak",  # names within the file come from what it holds, not from chance
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": RULE,
    "axes.edgecolor": RULE,
    "lines.scale_dashes": False,
}
LINK = "{http://www.w3.org/1999/xlink}href"


def inline(figure: Figure, *, name: str, description: str, titles: Mapping[str, str]) -> Markup:
    """The figure as an `<svg>` that fills its place; `description` is for who cannot see it.

    `titles` are the words over a part of it, by the `gid` of the artist. `name` sets its ids apart from those of the
    other charts on the page.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    attributes = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": description}
    drawing = [one for one in root if _tag(one) == "g"]
    _mend(drawing, name, titles)
    svg = Element("svg", attributes)
    svg.extend(drawing)
    return Markup(ElementTree.tostring(svg, encoding="unicode", short_empty_elements=False))


def _mend(drawing: list[Element], name: str, titles: Mapping[str, str]) -> None:
    """Names, links, words and colors of all parts, as a page has them."""
    everything = [one for top in drawing for one in top.iter()]
    targets = {one.attrib[LINK].removeprefix("#") for one in everything if LINK in one.attrib}
    for one in everything:
        one.tag = _tag(one)
        _name(one, name, targets, titles)
        one.attrib.pop("clip-path", None)  # what is drawn ends at the axes by itself
        if "style" in one.attrib:
            one.attrib["style"] = _style(one)
        one.text, one.tail = (one.text if one.tag in ("text", "title") else None), None


def _name(one: Element, name: str, targets: set[str], titles: Mapping[str, str]) -> None:
    """Only what is referred to keeps an id; what has words gets them."""
    own = one.attrib.pop("id", "")
    if own in targets:
        one.attrib["id"] = f"{name}-{own}"
    if LINK in one.attrib:
        one.attrib["href"] = f"#{name}-{one.attrib.pop(LINK).removeprefix('#')}"
    if own in titles:
        title = Element("title")
        title.text = titles[own]
        one.insert(0, title)


def _style(one: Element) -> str:
    """The declarations with variables for colors; family and size of letters are left to the style sheet."""
    declarations = one.attrib["style"].split("; ")
    kept = [part for part in declarations if not part.startswith(("font-family", "font-size", "font:"))]
    style = "; ".join(kept)
    for color, variable in VARIABLES.items():
        style = style.replace(color, variable)
    return style


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
