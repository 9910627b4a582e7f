"""How many clients hide one client: a curve over cohort sizes, and what it comes to in words."""

import pytest

from fedleak.report.cohort_size import GUESSING, cohort_curves

LEAKED, NOTHING = (60.0, 55.0, 50.0), (9.0, 8.0, 10.0)


def sums(make_summary, found: dict[int, tuple[float, ...]], **changed):
    return [
        make_summary(
            *values, defense="summed", sender="aggregate", setting=(("federation.clients", clients),), **changed
        )
        for clients, values in found.items()
    ]


def test_a_line_for_each_attack_and_one_for_guessing(make_summary):
    found = {2: LEAKED, 8: NOTHING}
    (one,) = cohort_curves([*sums(make_summary, found), *sums(make_summary, found, attack="other")], "psnr")
    assert list(one.chart.points) == ["dlg", "other", GUESSING]
    assert [clients for clients, _ in one.chart.points["dlg"]] == [2.0, 8.0]
    assert one.chart.over == "clients in a sum"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({2: LEAKED, 8: LEAKED, 64: LEAKED}, "summing hides nothing here, up to 64 clients: images were"),
        ({2: LEAKED, 8: LEAKED, 64: NOTHING}, "(3 of 3 from 2 and 3 of 3 from 8), and by these attackers none from 64"),
        ({2: NOTHING, 8: NOTHING}, "these attackers rebuilt no image from a sum over 2 to 8 clients"),
        ({2: NOTHING, 8: LEAKED}, "images were rebuilt from sums over up to 8 clients (3 of 3 from 8)"),
    ],
)  # fmt: skip
def test_it_is_said_up_to_where_images_were_rebuilt(make_summary, found, sentence):
    (one,) = cohort_curves(sums(make_summary, found), "psnr")
    assert sentence in one.sentence
    assert one.sentence.startswith("digits-mlp, summed: ")


def test_one_size_is_no_curve_and_neither_are_messages_or_other_metrics(make_summary):
    assert cohort_curves(sums(make_summary, {2: LEAKED}), "psnr") == []
    assert cohort_curves(sums(make_summary, {2: LEAKED, 8: LEAKED}), "ssim") == []
    alone = [make_summary(*LEAKED, setting=(("federation.clients", clients),)) for clients in (2, 8)]
    assert cohort_curves(alone, "psnr") == []


def test_other_settings_have_curves_of_their_own(make_summary):
    def setting(clients, size):
        return (("federation.batch_size", size), ("federation.clients", clients))

    both = [
        make_summary(*LEAKED, defense="summed", sender="aggregate", setting=setting(clients, size))
        for size in (1, 4)
        for clients in (2, 8)
    ]
    assert len(cohort_curves(both, "psnr")) == 2
