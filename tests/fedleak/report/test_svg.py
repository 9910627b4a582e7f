"""A figure of matplotlib as a part of a page: the page's colors and letters, nothing that runs, and always the same."""

import re
from importlib.resources import files
from xml.etree import ElementTree

import matplotlib
import pytest

from fedleak.report.charts import frontier_chart, line_chart
from fedleak.report.convergence import Lines
from fedleak.report.frontier import Frontier, Mark
from fedleak.report.svg import VARIABLES

SERIES = {f"defense {i}": [(0.0, 1.0), (5.0, 0.1 * (i + 1))] for i in range(8)}
LINES = Lines(title="loss", over="iterations", points=SERIES)
HOSTILE = '$x$ <script>alert("1")</script> & "co"'


def frontier(name="none") -> Frontier:
    both = tuple(
        Mark(name=name, accuracy=0.9, leakage=2.0, low=1.0, high=3.0, member=member, description=f"{name}: 90%")
        for member in (True, False)
    )
    return Frontier(title="digits-mlp", metric="psnr, dB", higher_is_better=True, marks=both, guessing=1.5)


@pytest.fixture(scope="module")
def drawings() -> list[str]:
    return [
        line_chart(LINES, "one"),
        line_chart(LINES, "two"),
        frontier_chart(frontier(), "three"),
        frontier_chart(frontier(), "four"),
    ]


def test_colors_are_variables_of_the_style_sheet(drawings):
    sheet = files("fedleak.report").joinpath("templates", "style.css").read_text()
    for svg in drawings:
        assert not re.search(r"#[0-9a-f]{3,6}\b|\brgb", svg)
        assert all(f"{variable}:" in sheet for variable in re.findall(r"var\((--[a-z0-9]+)\)", svg))
    assert set(VARIABLES.values()) <= set(re.findall(r"var\(--[a-z0-9]+\)", " ".join(drawings)))


def test_nothing_runs_and_nothing_is_loaded(drawings):
    for svg in drawings:
        root = ElementTree.fromstring(svg)
        assert {one.tag for one in root.iter()} <= {"svg", "g", "path", "text", "use", "defs", "title"}
        assert {key for one in root.iter() for key in one.attrib} <= {
            "viewBox", "role", "aria-label", "style", "d", "x", "y", "id", "href", "transform",
        }  # fmt: skip
        assert "url(" not in svg


def test_ids_are_one_chart_s_own_and_links_lead_there(drawings):
    names = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in drawings]
    assert sum(map(len, names)) == len(set().union(*names)) > 0
    for svg, own in zip(drawings, names, strict=True):
        assert set(re.findall(r'href="#([^"]+)"', svg)) == own


def test_words_stay_words_without_a_font_or_a_size_of_their_own(drawings):
    for svg in drawings:
        assert "<text" in svg
        assert "font-family" not in svg
        assert "font-size" not in svg
        assert 'viewBox="0 0 440 246"' in svg


def test_who_cannot_see_it_is_told(drawings):
    assert 'role="img" aria-label="loss over iterations: a line each for defense 0, defense 1,' in drawings[0]
    assert 'aria-label="none: 90%, on the frontier. none: 90%."' in drawings[2]
    assert drawings[0].count("<title>defense 3</title>") == 2  # over the line and over its name


def test_the_same_figures_give_the_same_bytes_whatever_the_user_s_settings(drawings):
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9, "svg.hashsalt": "other"}):
        assert line_chart(LINES, "one") == drawings[0]
        assert frontier_chart(frontier(), "three") == drawings[2]


def test_the_settings_of_the_user_are_left_alone():
    before = dict(matplotlib.rcParams)
    line_chart(LINES, "one")
    assert dict(matplotlib.rcParams) == before


def test_a_hostile_name_is_text():
    svg = frontier_chart(frontier(HOSTILE), "one")
    assert "<script" not in svg
    assert "$x$ &lt;script&gt;" in svg
