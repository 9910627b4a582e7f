"""What of an attack's course can be drawn."""

import math

from fedleak.report.convergence import lines_of


def test_without_a_finite_value_there_is_no_chart():
    assert lines_of("loss", "iterations", {"none": [(0.0, math.nan), (1.0, math.inf)], "noisy": []}) is None
    assert lines_of("loss", "iterations", {"none": [(0.0, -1.0), (1.0, 0.0)]}, log=True) is None


def test_what_cannot_be_drawn_is_left_out_and_its_line_keeps_its_place():
    chart = lines_of("loss", "iterations", {"none": [(0.0, math.nan)], "noisy": [(0.0, 0.0), (1.0, 2.0)]}, log=True)
    assert chart is not None
    assert chart.points == {"none": [], "noisy": [(1.0, 2.0)]}
