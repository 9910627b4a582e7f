"""From how many answers on a defense has fallen, and how many days of patience these are."""

import pytest

from fedleak.experiment.grid import parse_campaign
from fedleak.report.leak_over_queries import leak_over_queries

LIMITED = [{"use": "rate-limit", "answers": 10, "per": "day"}]
CAPPED = [{"use": "rate-limit", "answers": 100, "per": "all"}]
ATTACKS = [
    {"use": "confidence-inversion"},
    {"use": "plain", "attack": {"use": "confidence-inversion"}},
    {"use": "mi-face"},
]
KNOWING = {"attack": "confidence-inversion", "metric": "recognised", "sender": "model", "prior": 0.0}
HALF, LESS = (1.0, 0.0), (0.0, 0.0, 1.0)


def campaign(queries, *defenses, patience=30.0):
    return parse_campaign({
        "name": "answers", "task": "digits-mlp", "federation": {"release": "last"}, "attacks": ATTACKS,
        "adversary": {"lacks": [0, 1], "queries": queries, "patience": patience},
        "defenses": [{"name": "none"}, *({"name": name, "chain": chain} for name, chain in defenses)],
    })  # fmt: skip


def figures(make_summary, found, key="adversary.queries", **changed):
    """A summary for each budget."""
    return [make_summary(*values, setting=((key, budget),), **{**KNOWING, **changed})
            for budget, values in found.items()]  # fmt: skip


def falls(own, summaries):
    (one,) = leak_over_queries(own, summaries)
    return one.falls


def test_it_falls_at_the_fewest_answers_from_where_on_half_of_the_classes_are_recognised(make_summary):
    found = figures(make_summary, {100: LESS, 300: HALF, 1000: (1.0,)})
    assert falls(campaign([100, 300, 1000]), found) == ("“none” falls at 300 answers to confidence-inversion.",)


def test_what_is_recognised_for_a_while_only_is_no_fall(make_summary):
    found = figures(make_summary, {100: HALF, 300: HALF, 1000: LESS})
    (words,) = falls(campaign([100, 300, 1000]), found)
    assert words == (
        "“none” holds as far as it was tried: 0.33 of the classes at 1,000 answers, the most that were asked for."
    )


def test_the_strongest_attack_speaks_and_those_with_the_weights_do_not(make_summary):
    plain = figures(make_summary, {100: HALF, 300: HALF}, attack="plain")
    weights = figures(make_summary, {100: (1.0,), 300: (1.0,)}, attack="mi-face")
    found = [*figures(make_summary, {100: LESS, 300: LESS}), *plain, *weights]
    (one,) = leak_over_queries(campaign([100, 300]), found)
    assert one.falls == ("“none” falls at 100 answers, the fewest that were tried, to plain confidence-inversion.",)
    assert {line.attack for line in one.lines} == {"confidence-inversion", "plain confidence-inversion"}


def test_a_limit_a_day_buys_days(make_summary):
    own = campaign([100, 1000], ("ten a day", LIMITED))
    found = figures(make_summary, {100: LESS, 1000: HALF}, defense="ten a day")
    (words,) = falls(own, found)
    assert words == (
        "“ten a day” falls at 300 answers to confidence-inversion, after 30 days of patience: 300 at 10 a day."
    )


def test_where_patience_varies_the_days_are_those_measured(make_summary):
    own = campaign(1000, ("ten a day", LIMITED), patience=[10.0, 30.0, 90.0])
    found = figures(make_summary, {10.0: LESS, 30.0: HALF, 90.0: (1.0,)}, "adversary.patience", defense="ten a day")
    (words,) = falls(own, found)
    assert words == "“ten a day” falls at 300 answers to confidence-inversion, after 30 days of patience as measured."


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (LESS, "holds as far as it was tried: 0.33 of the classes at 100 answers, the most that it lets through in "
               "all."),
        (HALF, "falls at 100 answers to confidence-inversion, within the 100 that it lets through in all: patience "
               "buys the attacker no more."),
    ],
)  # fmt: skip
def test_a_limit_in_all_holds_or_falls_whatever_the_patience(make_summary, values, words):
    own = campaign(1000, ("capped", CAPPED))
    (found,) = falls(own, [make_summary(*values, defense="capped", **KNOWING)])
    assert found == f"“capped” {words}"


def test_a_line_for_each_defense_over_the_queries_and_no_section_without_any(make_summary):
    own = campaign([100, 300], ("capped", CAPPED))
    found = [*figures(make_summary, {100: LESS, 300: HALF}), *figures(make_summary, {100: LESS, 300: LESS},
                                                                      defense="capped")]  # fmt: skip
    (one,) = leak_over_queries(own, found)
    (chart,) = one.charts
    assert list(chart.points) == ["none", "capped"]
    assert chart.points["none"] == [(100.0, pytest.approx(1 / 3)), (300.0, 0.5)]
    assert one.budgets == ("100 queries", "300 queries")
    assert leak_over_queries(campaign(100), [make_summary(*HALF, **KNOWING)]) == []
