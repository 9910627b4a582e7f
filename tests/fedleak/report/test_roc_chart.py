"""ROC charts: few false alarms have room, and each curve can be told by the key."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from fedleak.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP
from fedleak.report.convergence import lines_of
from fedleak.report.roc_chart import SAMPLE, roc_chart

POINTS = {"half": [(0.001, 0.01), (0.1, 0.1), (1.0, 1.0)], "guessing": [(0.001, 0.001), (1.0, 1.0)]}


def drawn(**how) -> str:
    chart = lines_of("found", "false alarms", POINTS, lowest=0.001, **how)
    assert chart is not None
    return roc_chart(chart, "one")


def texts(svg: str) -> list[tuple[str, float, float]]:
    found = ElementTree.fromstring(svg).iter("text")
    return [(text.text or "", float(text.attrib["x"]), float(text.attrib["y"])) for text in found]


def path(svg: str, told: str) -> list[tuple[float, float]]:
    groups = [one for one in ElementTree.fromstring(svg).iter("g") if one.findtext("title") == told]
    line = next(found for one in groups for found in one.iter("path"))
    numbers = [float(number) for number in re.findall(r"[\d.]+", line.attrib["d"])]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_both_axes_have_the_same_powers_of_ten_as_far_apart_each():
    svg = drawn()
    below = [(text, x) for text, x, y in texts(svg) if y > HEIGHT - BOTTOM + 8][:4]
    beside = [(text, y) for text, x, y in texts(svg) if x < LEFT][-4:]
    for places in (below, beside):
        assert [text for text, _ in places] == ["0.001", "0.01", "0.1", "1"]
        steps = [after - before for (_, before), (_, after) in itertools.pairwise(places)]
        assert steps == pytest.approx([steps[0]] * 3)
    assert path(svg, "guessing") == [(LEFT, HEIGHT - BOTTOM), (RIGHT, TOP)]
    assert path(svg, "half")[0][1] == pytest.approx(beside[1][1] - 4.6, abs=0.5)


def test_shares_go_from_none_to_all_evenly():
    svg = drawn(share=True)
    beside = {float(text): y for text, x, y in texts(svg) if x < LEFT and re.fullmatch(r"[\d.]+", text)}
    assert {0.0, 0.5, 1.0} <= beside.keys()
    assert beside[0.0] - beside[0.5] == pytest.approx(beside[0.5] - beside[1.0], abs=0.1)
    assert path(svg, "half")[0][1] == pytest.approx(HEIGHT - BOTTOM - 0.01 * (HEIGHT - BOTTOM - TOP), abs=0.5)


def test_names_stand_in_a_key_one_below_the_other_apart_from_where_all_curves_end():
    places = {text: (x, y) for text, x, y in texts(drawn()) if text in POINTS}
    assert places.keys() == POINTS.keys()
    assert all(x > RIGHT + SAMPLE for x, _ in places.values())
    assert places["guessing"][1] - places["half"][1] > 10
