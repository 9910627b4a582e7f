"""A rule selects the groups that its conditions hold for, and knows the number that it compares with."""

import pytest

from fedleak.gate.parser import parse_rule


@pytest.mark.parametrize(
    ("text", "value"),
    [("x < prior + 2", 12), ("x < prior - 2", 8), ("x < prior * .5", 5), ("x < no-access", 30), ("x < -3", -3)],
)
def test_a_bound_is_worked_out_from_the_baselines(text, value):
    assert parse_rule(text).bound.value({"prior": 10.0, "no-access": 30.0}) == value


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('defense = "none"', True),
        ('defense != "none"', False),
        ('defense in ["other", "none"]', True),
        ("clients = 4", True),
        ("clients >= 4 and clients < 5", True),
        ("clients > 4", False),
        ("clients = true", False),
        ("public = true", True),
        ("public = 1", False),
        ("defense > 3", False),
        ('nowhere != "x"', False),
        ('clients = 5 or not_there = 1 or (defense = "none" and clients = 4)', True),
    ],
)
def test_a_condition_holds_for_the_fields_it_names(condition, expected):
    fields = {"defense": ("none",), "clients": (4,), "public": (True,)}
    assert parse_rule(f"psnr < 1 where {condition}").selects(fields) is expected
    assert parse_rule(f"psnr < 1 unless {condition}").selects(fields) is not expected
