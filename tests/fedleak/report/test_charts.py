"""The charts: what was measured is where it belongs, with words beside it that can be read."""

import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedleak.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, frontier_chart, line_chart, spread
from fedleak.report.convergence import Lines, lines_of
from fedleak.report.frontier import Frontier, Mark

PLACES = st.lists(st.floats(0, 200), max_size=10)
LOG = Lines(title="loss", over="iterations", log=True, points={"none": [(0.0, 1.0), (9.0, 1e-4)], "b": [(0.0, 0.5)]})


def mark(name="none", accuracy=0.8, leakage=20.0, **changed) -> Mark:
    fields = {"low": leakage - 2, "high": leakage + 3, "member": True, "description": f"{name}: accuracy, leakage"}
    return Mark(name=name, accuracy=accuracy, leakage=leakage, **{**fields, **changed})


def frontier(*marks: Mark, **changed) -> Frontier:
    fields = {"title": "digits-mlp", "metric": "psnr, dB", "higher_is_better": True, "guessing": 12.0}
    return Frontier(marks=marks, **{**fields, **changed})


def words(svg: str) -> dict[str, tuple[float, float]]:
    """Every text of a drawing, with its place."""
    texts = ElementTree.fromstring(svg).iter("text")
    return {text.text or "": (float(text.attrib["x"]), float(text.attrib["y"])) for text in texts}


def part(svg: str, told: str, tag: str) -> ElementTree.Element:
    """The first part of a drawing with a tag below what has these words over it."""
    groups = [one for one in ElementTree.fromstring(svg).iter("g") if one.findtext("title") == told]
    return next(found for one in groups for found in one.iter(tag))


def path(svg: str, told: str) -> list[tuple[float, float]]:
    numbers = [float(number) for number in re.findall(r"[\d.]+", part(svg, told, "path").attrib["d"])]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def place(svg: str, told: str) -> tuple[float, float]:
    point = part(svg, told, "use").attrib
    return float(point["x"]), float(point["y"])


def value(tick: str) -> float:
    return float(tick.replace("−", "-"))  # noqa: RUF001


def ticks(svg: str) -> tuple[dict[float, float], dict[float, float]]:
    """Values with their places along the horizontal and the vertical axis."""
    numbers = {text: at for text, at in words(svg).items() if re.fullmatch(r"[-−\d.e+]+", text)}  # noqa: RUF001
    below = {value(text): x for text, (x, y) in numbers.items() if y > HEIGHT - BOTTOM + 8}
    beside = {value(text): y for text, (x, y) in numbers.items() if x < LEFT}
    return below, beside


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(low=st.floats(-100, 100), size=st.floats(1e-3, 1e4), log=st.booleans())
def test_ticks_lie_on_the_axis_in_their_order(low, size, log):
    low = abs(low) + 1e-3 if log else low
    chart = lines_of("loss", "iterations", {"none": [(0.0, low), (30.0, low + size)]}, log=log)
    assert chart is not None
    below, beside = ticks(line_chart(chart, "one"))
    assert all(LEFT - 1 <= x <= RIGHT + 1 for x in below.values())
    assert all(TOP <= y - 4 <= HEIGHT - BOTTOM + 1 for y in beside.values())
    assert 2 <= len(below) <= 6
    assert 1 <= len(beside) <= 8
    assert [beside[number] for number in sorted(beside)] == sorted(beside.values(), reverse=True)


def test_few_places_have_their_own_figures_and_intervals_there_stand_beside_each_other():
    points = {name: [(1.0, 20.0), (4.0, 30.0), (16.0, 90.0)] for name in ("none", "private")}
    bars = {name: [(place, value - 10, value + 10) for place, value in own] for name, own in points.items()}
    chart = lines_of("bits", "times", points, intervals=bars, at=(1.0, 4.0, 16.0))
    assert chart is not None
    svg = line_chart(chart, "one")
    assert sorted(ticks(svg)[0]) == [1.0, 4.0, 16.0]
    upright = re.findall(r"M ([\d.]+) [\d.]+\s+L \1 [\d.]+", svg)
    assert len(set(upright)) == 6


def test_a_line_goes_from_its_first_to_its_last_point():
    svg = line_chart(LOG, "one")
    start, end = path(svg, "none")
    assert (start[0], end[0]) == (LEFT, RIGHT)
    _, beside = ticks(svg)
    assert beside[1.0] - 4.6 == pytest.approx(start[1], abs=0.5)
    assert beside[0.0001] - 4.6 == pytest.approx(end[1], abs=0.5)


def test_one_value_has_an_axis_around_it():
    chart = lines_of("accuracy", "rounds", {"none": [(3.0, 5.0)]})
    assert chart is not None
    assert path(line_chart(chart, "one")[:], "none")[0] == ((LEFT + RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2)


def test_a_name_stands_at_the_end_of_its_line():
    chart = lines_of("accuracy", "rounds", {"high": [(1.0, 0.1), (2.0, 0.9)], "low": [(1.0, 0.1), (2.0, 0.3)]})
    assert chart is not None
    svg = line_chart(chart, "one")
    for name in ("high", "low"):
        x, y = words(svg)[name]
        assert x > RIGHT
        assert y - 4 == pytest.approx(path(svg, name)[-1][1], abs=2)


def test_a_line_keeps_its_color_where_another_has_no_points():
    chart = lines_of("accuracy", "rounds", {"none": [], "noisy": [(1.0, 0.5), (2.0, 0.6)]})
    assert chart is not None
    svg = line_chart(chart, "one")
    assert "none" not in words(svg)
    assert "var(--s1)" in part(svg, "noisy", "path").attrib["style"]


def test_more_leakage_is_higher_up_whatever_the_metric():
    for leaky, tight, higher in ((40.0, 10.0, True), (0.001, 0.2, False)):
        both = frontier(mark("leaky", 0.9, leaky), mark("tight", 0.8, tight), higher_is_better=higher, guessing=None)
        svg = frontier_chart(both, "one")
        (right, up), (left, down) = (
            place(svg, f"{name}: accuracy, leakage, on the frontier") for name in ("leaky", "tight")
        )
        assert up < down  # SVG counts downwards
        assert left < right
        assert words(svg)["leaky"][1] < words(svg)["tight"][1]


def test_marks_on_the_frontier_are_filled_and_the_others_hollow():
    svg = frontier_chart(frontier(mark(), mark("noisy", 0.5, 30.0, member=False)), "one")
    filled = part(svg, "none: accuracy, leakage, on the frontier", "use").attrib["style"]
    hollow = part(svg, "noisy: accuracy, leakage", "use").attrib["style"]
    assert "fill: var(--s0)" in filled
    assert "fill: var(--paper)" in hollow


def test_guessing_has_its_line_and_its_name():
    assert "guessing" in words(frontier_chart(frontier(mark()), "one"))
    assert "guessing" not in words(frontier_chart(frontier(mark(), guessing=None), "one"))


def test_a_name_that_is_too_long_is_cut_and_told_in_full():
    long = "a defense whose name somebody wrote out in full and then went on"
    svg = frontier_chart(frontier(mark(long)), "one")
    (cut,) = [text for text in words(svg) if text.endswith("…")]
    assert long.startswith(cut[:-1])
    assert 10 < len(cut) < (WIDTH - RIGHT) / 5
    assert f"<title>{long}" in svg


def test_many_names_make_the_chart_higher_and_stay_apart():
    svg = frontier_chart(frontier(*(mark(f"d{i}") for i in range(20))), "one")
    places = sorted(y for text, (_, y) in words(svg).items() if text.startswith("d"))
    assert all(b - a > 14 for a, b in itertools.pairwise(places))
    height = float(svg.split('viewBox="0 0 440 ')[1].split('"')[0])
    assert height > HEIGHT
    assert 0 < places[0] < places[-1] < height


@given(PLACES)
def test_labels_are_apart_and_keep_their_order(places):
    moved = spread(places, 15.0, 0.0, 200.0)
    order = sorted(range(len(places)), key=lambda i: places[i])
    assert all(moved[b] - moved[a] >= 14.8 for a, b in itertools.pairwise(order))


def test_labels_with_room_stay_where_they_are():
    assert spread([10.0, 100.0, 50.0], 15.0, 0.0, 200.0) == [10.0, 100.0, 50.0]


def test_shares_are_drawn_from_none_to_all():
    drawn = Lines(title="recognised", over="queries", points={"none": [(100.0, 0.95), (300.0, 1.0)]}, share=True)
    beside = ticks(line_chart(drawn, "shares"))[1]
    assert (min(beside), max(beside)) == (0.0, 1.0)
