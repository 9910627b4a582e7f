"""The verdict says what the summaries allow, in plain words; a branch each."""

import math

import pytest

from fedleak.report.evidence import Evidence
from fedleak.report.judgement import Judgement
from fedleak.report.verdict import verdict

DEFENDED = {"none": False, "noisy": True}


def lead(*summaries, defended=None):
    return " ".join(verdict(Evidence(summaries=summaries, comparisons=(), defended=defended or DEFENDED)).lead)


def sentence(*summaries, comparisons=(), defense="noisy"):
    found = verdict(Evidence(summaries=summaries, comparisons=comparisons, defended=DEFENDED)).findings
    return found[list(DEFENDED).index(defense)].remarks[0].sentence


def test_what_leaks_without_a_defense_comes_first_with_what_guessing_gives(make_summary):
    assert lead(make_summary(30.0, 36.0)) == (
        "Without a defense, dlg rebuilt 2 of 2 images (psnr 33.0 dB, guessing gives 12.0 dB)."
    )


def test_images_and_labels_are_one_sentence(make_summary):
    labels = make_summary(1.0, 1.0, half=0.2, prior=0.1, no_gradient=0.1, metric="label-recall")
    assert lead(make_summary(30.0, 36.0), labels).endswith("guessing gives 12.0 dB) and read 2 of 2 labels.")


@pytest.mark.parametrize(
    ("samples", "half", "words"),
    [
        ((30.0, 31.0), 1.0, "Images were rebuilt under noisy."),
        ((15.0, 16.0), 1.0, "more than guessing was recovered, but no image in full"),
        ((13.0, 16.0), 9.0, "cannot be told from guessing"),
        ((11.0, 12.0), 9.0, "none of them adapts to the defense: untested, not safe"),
        ((36.0,), math.nan, "too few messages to tell about the images"),
    ],
)
def test_a_defense_has_the_sentence_of_its_judgement(make_summary, samples, half, words):
    assert words in lead(make_summary(33.0, 33.0), make_summary(*samples, half=half, defense="noisy"))


def test_a_defense_without_a_figure_is_not_called_safe(make_summary):
    words = lead(make_summary(33.0, 33.0), make_summary(defense="noisy"))
    assert "Under noisy no attack has a figure for the images." in words
    assert "safe" not in words


def test_nothing_measured_is_said():
    assert lead() == "No attack has a figure, so nothing can be said about what leaks."


def test_the_strongest_attack_stands_for_a_defense(make_summary):
    weak, strong = make_summary(10.0, defense="noisy"), make_summary(30.0, defense="noisy", attack="inverting")
    assert sentence(weak, strong).startswith("Inverting rebuilt 1 of 1 image: psnr 30.0 dB (95%: 29.0 to 31.0)")


def test_a_sum_does_not_hide_behind_its_masked_messages(make_summary):
    masked = make_summary(5.0, 5.0, defense="noisy")
    revealed = make_summary(30.0, 30.0, defense="noisy", sender="aggregate")
    found = verdict(Evidence(summaries=(masked, revealed), comparisons=(), defended=DEFENDED)).findings[1]
    assert [(one.what, one.judgement) for one in found.remarks] == [
        ("images", Judgement.NOTHING),
        ("images (sum)", Judgement.LEAKED),
    ]


def test_an_image_that_leaked_is_not_hidden_by_the_mean(make_summary):
    assert "yet 1 of 3 reached 20.0 dB" in sentence(make_summary(5.0, 5.0, 25.0, half=9.0, defense="noisy"))


@pytest.mark.parametrize(
    ("difference", "p_value", "words"),
    [
        (-9.0, 0.01, "; 9.00 dB lower than without a defense (p = 0.010 over 4 pairs)"),
        (-9.0, 0.2, "; 9.00 dB lower than without a defense, which chance may explain (p = 0.20 over 4 pairs)"),
        (2.0, 0.0001, "; 2.00 dB higher than without a defense (p < 0.001 over 4 pairs)"),
        (0.0, 1.0, "; the same as without a defense over 4 pairs"),
        (-9.0, math.nan, "over 4 pairs too few to test"),
    ],
)
def test_a_change_is_only_called_one_where_chance_does_not_explain_it(
    make_summary, make_comparison, difference, p_value, words
):
    own = make_summary(15.0, 16.0, defense="noisy")
    assert words in sentence(own, comparisons=(make_comparison(difference, p_value, defense="noisy"),))


def test_a_campaign_says_in_how_many_settings(make_summary):
    small, large = (("federation.batch_size", 1),), (("federation.batch_size", 8),)
    rows = (make_summary(30.0, setting=small), make_summary(10.0, setting=large))
    assert sentence(*rows, defense="none").startswith(
        "Beyond guessing in 1 of 2 settings; most leaked with digits-mlp, batch_size=1: dlg rebuilt 1 of 1 image"
    )


def test_the_lead_of_a_campaign_says_that_it_tells_of_the_worst_setting(make_summary):
    rows = [make_summary(30.0, setting=(("federation.batch_size", size),)) for size in (1, 8)]
    assert lead(*rows).startswith("Without a defense, in the worst of 2 settings, dlg rebuilt 1 of 1 image")


def test_a_variant_that_tuning_did_not_choose_has_no_say(make_summary):
    chosen = make_summary(15.0, attack="dlg steps=10", tuned=True)
    lucky = make_summary(40.0, attack="dlg steps=99")
    assert sentence(lucky, chosen, defense="none").startswith("Dlg steps=10 recovered more than guessing")


def test_a_defense_without_rows_has_no_remark(make_summary):
    found = verdict(Evidence(summaries=(make_summary(30.0),), comparisons=(), defended=DEFENDED)).findings
    assert found[1].title == "Under noisy"
    assert found[1].remarks == ()
