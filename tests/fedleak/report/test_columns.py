"""Hidden columns in the report: what is gained for members, for anybody or for nobody, in the words that are due."""

import pytest

from fedleak.report.columns import (
    ABOUT_ANYBODY,
    ABOUT_MEMBERS,
    NO_MORE,
    TOO_FEW,
    UNCLEAR,
    hidden_columns,
    meaning,
    pairs_in,
)
from fedleak.statistics.intervals import Interval

NONE = (float("nan"), float("nan"))


@pytest.fixture
def pair(make_summary):
    """Summaries of one attack by AUC: mean, imputer and the interval of the gain, of members and of others."""

    def made(members, others, attack="imputer-and-model", metric="column-auc"):
        def one(figures, name):
            mean, imputer, interval = figures
            return make_summary(
                mean,
                half=0.01,
                prior=0.5,
                no_access=imputer,
                metric=name,
                attack=attack,
                algorithm=attack,
                sender="model",
                defense="none",
                gain=mean - imputer,
                gain_interval=interval
                if isinstance(interval, Interval)
                else Interval(low=interval[0], high=interval[1], method="by hand"),
            )

        return [one(members, metric), one(others, f"{metric}-of-others")]

    return made


REMEMBERED = ((0.892, 0.87, (0.01, 0.03)), (0.837, 0.868, (-0.04, -0.02)))


@pytest.mark.parametrize(
    ("members", "others", "says"),
    [
        (*REMEMBERED, ABOUT_MEMBERS),
        ((0.9, 0.8, (0.05, 0.15)), (0.9, 0.8, (0.05, 0.15)), ABOUT_ANYBODY),
        ((0.9, 0.8, (0.05, 0.15)), (0.84, 0.8, (-0.02, 0.1)), UNCLEAR),
        ((0.7, 0.87, (-0.2, -0.1)), (0.63, 0.87, (-0.3, -0.2)), NO_MORE),
        ((0.9, 0.8, NONE), (0.8, 0.8, NONE), TOO_FEW),
    ],
)
def test_what_a_model_tells_is_said_with_of_whom(pair, members, others, says) -> None:
    (one,) = pairs_in(pair(members, others))
    assert one.says == says


def test_a_high_figure_below_the_imputer_is_called_no_leak_and_what_is_remembered_has_its_figures(pair) -> None:
    alone = pair((0.702, 0.87, (-0.18, -0.15)), (0.627, 0.868, (-0.3, -0.2)), attack="fredrikson-tabular")
    first, second = meaning([*pair(*REMEMBERED), *alone])
    assert first.startswith("What fredrikson-tabular says of members by column-auc is no more than an imputer does")
    assert first.endswith("however high the figure, it is no leak.")
    assert "column-auc 0.89 for members, where an imputer has 0.87: +0.02 (95%: 0.01 to 0.03)" in second
    assert "For others it has 0.84, where an imputer has 0.87" in second
    assert "over both together the mean gain is \N{MINUS SIGN}0.005, which hides it" in second


def test_what_is_gained_of_anybody_is_not_called_memory(pair) -> None:
    (only,) = meaning(pair((0.9, 0.8, (0.05, 0.15)), (0.9, 0.8, (0.05, 0.15))))
    assert only == "No attack surely gains more for members than for others: nothing here is about members alone."


def test_the_table_has_a_line_for_each_attack_and_metric(pair) -> None:
    section = hidden_columns([*pair(*REMEMBERED), *pair((0.998, 0.945, (0.02, 0.07)), REMEMBERED[1], metric="ppv-100")])
    assert [line.metric for line in section.lines] == ["column-auc", "ppv-100"]
    assert section.lines[0].members[1:] == ("0.87", "+0.02 (95%: 0.01 to 0.03)")
    assert hidden_columns(()) is None
