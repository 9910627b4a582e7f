"""How many clients hide one client: a curve over cohort sizes, and what it comes to in words."""

import pytest

from fedleak.experiment.grid import parse_campaign
from fedleak.report.cohort_size import GUESSING, cohort_curves

LEAKED, NOTHING = (60.0, 55.0, 50.0), (9.0, 8.0, 10.0)
SUMMED = {"name": "summed", "chain": [{"use": "secure-aggregation"}]}


def campaign(*clients, task="digits-mlp", **federation):
    tree = {"name": "sums", "task": task, "attacks": [{"use": "dlg"}], "defenses": [SUMMED]}
    return parse_campaign({**tree, "federation": {"clients": list(clients), **federation}})


def sums(make_summary, found, **changed):
    return [
        make_summary(
            *values, **{"defense": "summed", "sender": "aggregate", "setting": (("federation.clients", n),), **changed}
        )
        for n, values in found.items()
    ]


def curve_of(make_summary, found, **federation):
    (one,) = cohort_curves(campaign(*found, **federation), sums(make_summary, found), "psnr")
    return one


def test_a_line_for_each_attack_and_one_for_guessing(make_summary):
    found = {2: LEAKED, 8: NOTHING}
    both = [*sums(make_summary, found), *sums(make_summary, found, attack="other")]
    (one,) = cohort_curves(campaign(2, 8), both, "psnr")
    assert list(one.chart.points) == ["dlg", "other", GUESSING]
    assert [clients for clients, _ in one.chart.points["dlg"]] == [2.0, 8.0]
    assert one.chart.over == "clients asked in a round"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({2: LEAKED, 8: LEAKED, 64: LEAKED}, "summing hides nothing here, up to 64 clients: images were"),
        ({2: LEAKED, 8: LEAKED, 64: NOTHING}, "(3 of 3 from 2 and 3 of 3 from 8), and by these attackers none from 64"),
        ({2: LEAKED, 8: NOTHING, 64: NOTHING}, "rounds of up to 2 clients (3 of 3 from 2), and by these attackers none "
            "from 8 or 64"),
        ({2: NOTHING, 8: NOTHING}, "these attackers rebuilt no image from rounds of 2 or 8 clients"),
        ({2: NOTHING, 8: LEAKED}, "images were rebuilt from rounds of up to 8 clients (3 of 3 from 8)"),
    ],
)  # fmt: skip
def test_it_is_said_up_to_where_images_were_rebuilt(make_summary, found, sentence):
    one = curve_of(make_summary, found)
    assert sentence in one.sentence
    assert one.sentence.startswith("digits-mlp, summed: ")
    assert "no attack has a figure" not in one.sentence
    assert "stayed" not in one.sentence


def test_rows_of_a_table_are_no_images(make_summary):
    found = {2: LEAKED, 8: NOTHING}
    attacked = sums(make_summary, found, task="diabetes-mlp")
    (one,) = cohort_curves(campaign(*found, task="diabetes-mlp"), attacked, "psnr")
    assert "rows were rebuilt from rounds of up to 2 clients" in one.sentence


@pytest.mark.parametrize(
    ("found", "clean", "unknown"),
    [
        ({2: LEAKED, 8: (), 64: NOTHING}, "none from 64;", "rounds of 8 clients"),
        ({2: LEAKED, 8: NOTHING, 64: ()}, "none from 8;", "rounds of 64 clients"),
        ({2: LEAKED, 8: (), 64: ()}, "every size judged (3 of 3 from 2);", "rounds of 8 and 64 clients"),
        ({2: NOTHING, 8: (), 64: ()}, "no image from rounds of 2 clients;", "rounds of 8 and 64 clients"),
        ({2: (), 8: ()}, "summed: no attack", "rounds of 2 and 8 clients"),
    ],
)
def test_a_size_without_a_figure_is_named_and_never_clean(make_summary, found, clean, unknown):
    one = curve_of(make_summary, found)
    assert clean in one.sentence
    assert one.sentence.endswith(f"no attack has a figure for {unknown}")


def test_neither_is_one_that_only_guesses_were_made_at_nor_one_without_a_row(make_summary):
    attacked = sums(make_summary, {2: LEAKED, 8: NOTHING})
    guessed = sums(make_summary, {64: NOTHING}, attack="prior")
    (one,) = cohort_curves(campaign(2, 8, 64, 128), [*attacked, *guessed], "psnr")
    assert one.sentence.endswith("none from 8; no attack has a figure for rounds of 64 and 128 clients")


def test_what_is_counted_are_the_clients_that_the_strategy_asks(make_summary):
    half = {"strategy_options": {"fraction_train": 0.5}}
    one = curve_of(make_summary, {4: LEAKED, 16: NOTHING}, **half)
    assert [clients for clients, _ in one.chart.points["dlg"]] == [2.0, 8.0]
    assert "rounds of up to 2 clients (3 of 3 from 2), and by these attackers none from 8" in one.sentence


@pytest.mark.parametrize("dropouts", [0.25, [[{"client": 1}]]], ids=["share", "tables"])
def test_where_clients_leave_sums_are_over_those_that_stayed(make_summary, dropouts):
    one = curve_of(make_summary, {4: LEAKED, 16: NOTHING}, dropouts=dropouts)
    assert one.sentence.endswith("; some clients were made to leave, and sums are over those that stayed")


def test_one_size_is_no_curve_and_neither_are_messages_or_other_metrics(make_summary):
    assert cohort_curves(campaign(2), sums(make_summary, {2: LEAKED}), "psnr") == []
    assert cohort_curves(campaign(2, 8), sums(make_summary, {2: LEAKED}), "psnr") == []
    assert cohort_curves(campaign(2, 8), sums(make_summary, {2: LEAKED, 8: LEAKED}), "ssim") == []
    assert cohort_curves(campaign(2, 8), sums(make_summary, {2: LEAKED, 8: LEAKED}, sender="client"), "psnr") == []


def test_other_settings_have_curves_of_their_own(make_summary):
    both = [
        one
        for size in (1, 4)
        for clients in (2, 8)
        for one in sums(
            make_summary,
            {clients: LEAKED},
            setting=(("federation.batch_size", size), ("federation.clients", clients)),
        )
    ]
    assert len(cohort_curves(campaign(2, 8, batch_size=[1, 4]), both, "psnr")) == 2
