"""The verdict says what the summaries allow, in plain words; a branch each."""

import math
from dataclasses import replace

import pytest

from fedleak.analysis.conditions import Condition, conditions_of
from fedleak.analysis.evidence import Evidence
from fedleak.analysis.judgement import Judgement
from fedleak.report.verdict import DIAGNOSTIC, verdict
from fedleak.statistics.summary import summarize

DEFENDED = {"none": False, "noisy": True}
SMALL, LARGE = (("federation.batch_size", 1),), (("federation.batch_size", 8),)


def drawn(*summaries, comparisons=(), defended=None):
    where = conditions_of(summaries) or [Condition(task="digits-mlp")]
    known = defended or {(condition, name): chain for condition in where for name, chain in DEFENDED.items()}
    return verdict(Evidence(summaries=summaries, comparisons=comparisons, defended=known, example="image"))


def lead(*summaries):
    return " ".join(drawn(*summaries).lead)


def remark(*summaries, comparisons=(), defense="noisy"):
    return drawn(*summaries, comparisons=comparisons).findings[list(DEFENDED).index(defense)].remarks[0]


def sentence(*summaries, **other):
    return remark(*summaries, **other).sentence


def labels(make_summary, *hits, **changed):
    return make_summary(*hits, half=0.2, prior=0.1, no_access=0.1, metric="label-recall", **changed)


def from_rows(make_row, values, **changed):
    return summarize([make_row(value, client=i, **changed) for i, value in enumerate(values)])


def test_what_leaks_without_a_defense_comes_first_with_what_guessing_gives(make_summary):
    assert lead(make_summary(30.0, 36.0)) == (
        "Without a defense, dlg rebuilt 2 of 2 images (mean psnr 33.0 dB; guessing gives 12.0 dB)."
    )


def test_images_and_labels_are_one_sentence(make_summary):
    words = lead(make_summary(30.0, 36.0), labels(make_summary, 1.0, 1.0))
    assert words.endswith("guessing gives 12.0 dB) and read 2 of 2 labels (guessing gives 0.10).")


@pytest.mark.parametrize(("values", "count"), [([11.7, 10.1, 11.2, 70.6], "1 of 4"), ([8.0] * 11 + [45.0], "1 of 12")])
def test_an_image_that_leaked_is_not_hidden_by_the_mean(make_row, values, count):
    rows = from_rows(make_row, values, baseline=11.2, defense="noisy")
    assert lead(*rows) == f"Images were rebuilt under noisy ({count})."
    assert sentence(*rows).startswith(f"Dlg rebuilt {count} images: mean psnr ")


def test_one_message_is_enough_to_say_what_was_rebuilt(make_row):
    rows = summarize([make_row(*[100.0] * 64, certifiable=True, certified=True)])
    assert lead(*rows) == (
        "Without a defense, dlg rebuilt 64 of 64 images (mean psnr 100.0 dB, certified; guessing gives 10.0 dB). "
        "How often that happens one message does not tell."
    )
    assert sentence(*rows, defense="none").startswith(
        "Dlg rebuilt 64 of 64 images (certified: the batch explains the whole update, which another may too): mean psnr"
    )


def test_a_single_proved_image_is_said_to_be_proved(make_row):
    words = sentence(*summarize([make_row(100.0, certifiable=True, certified=True)]), defense="none")
    assert words == (
        "Dlg rebuilt 1 of 1 image (certified: explains the whole update): psnr 100.0 dB, 90.0 dB better than guessing; "
        "how often that happens one message does not tell."
    )


FIRST = {"certifiable": True, "certified": True, "certificate": "first layer: rank 4, images within 1e-12"}
WHOLE = {
    "certifiable": True,
    "certified": True,
    "certificate": "gradient residual 1e-07, below 1e-05; first layer: rank",
}


@pytest.mark.parametrize(
    ("proofs", "words"),
    [
        ([WHOLE], "(certified: the batch explains the whole update, which another may too)"),
        ([FIRST], "(certified: the batch explains the first layer's part of the update, which another may too)"),
        (
            [FIRST, WHOLE, WHOLE],
            "(certified: the batch explains the whole update, in 1 only the first layer's part, which another may too)",
        ),
    ],
)
def test_a_proof_of_the_first_layer_is_not_said_to_be_of_the_whole_update(make_row, proofs, words):
    rows = [make_row(100.0, 90.0, client=client, **proof) for client, proof in enumerate(proofs)]
    assert words in sentence(*summarize(rows), defense="none")


def test_attacks_that_fail_are_said_to_fail_and_that_is_no_proof_of_safety(make_row):
    rows = from_rows(make_row, [8.0, 8.1, 7.9, 8.0], baseline=12.0)
    assert lead(*rows) == (
        "Without a defense, no attacker rebuilt any of 4 images or came nearer than guessing does on average "
        "(mean psnr 8.00 dB; guessing gives 12.0 dB). Of the images, nothing beyond guessing was recovered. That is no "
        "proof of safety: other attacks, or the same with more steps, may get more."
    )
    assert "no proof of safety" not in lead(*from_rows(make_row, [40.0, 41.0, 42.0, 43.0], baseline=12.0))


def test_a_proof_without_an_image_is_no_image(make_summary):
    words = sentence(make_summary(15.0, 11.0, certifiable=2, certified=1, defense="noisy"))
    assert words.startswith(
        "Dlg proved its guess in 1 of 2 messages, though rebuilt are none of 2 images (certified in"
    )


def test_labels_are_read_only_where_guessing_would_hardly_do_as_well(make_row):
    label = {"metric": "label-recall", "unit": "share of labels", "no_access": 0.0, "defense": "noisy"}
    lucky = remark(*from_rows(make_row, [1.0, 0.0, 0.0, 0.0], baseline=0.0, **label))
    assert lucky.judgement is Judgement.UNCLEAR
    assert lucky.sentence.startswith("Dlg read 1 of 4 labels, which luck may explain")
    read = remark(*from_rows(make_row, [1.0] * 4, baseline=0.1, **label))
    assert read.judgement is Judgement.LEAKED
    assert read.sentence.startswith("Dlg read 4 of 4 labels: mean label-recall 1.00, guessing gives 0.10")


def test_an_image_that_guessing_comes_near_is_not_called_rebuilt(make_row):
    words = sentence(*from_rows(make_row, [22.1, 22.2, 22.2, 22.3], baseline=21.0, defense="noisy"))
    assert words.startswith(
        "Dlg rebuilt none of 4 images, but came nearer than guessing does: mean psnr 22.2 dB, 1.20 dB"
    )
    assert "4 of 4 reached 20.0 dB, but a guess or a public example comes about as near" in words


def test_the_metric_that_decides_is_named_beside_the_first(make_row):
    structure = from_rows(
        make_row, [0.1, 0.2, 0.1, 0.2], metric="ssim", unit="similarity", baseline=0.3, no_access=0.3, defense="noisy"
    )
    error = from_rows(make_row, [30.0, 31.0, 34.0, 35.0], defense="noisy")
    told = remark(*structure, *error)
    assert told.judgement is Judgement.LEAKED
    assert told.sentence.startswith(
        "Dlg rebuilt 4 of 4 images by psnr: mean psnr 32.5 dB, 22.5 dB better than guessing"
    )
    assert "; mean ssim 0.15, 0.15 worse than guessing" in told.sentence


@pytest.mark.parametrize(
    ("samples", "half", "words"),
    [
        ((30.0, 31.0), 1.0, "Images were rebuilt under noisy (2 of 2)."),
        ((15.0, 16.0), 1.0, "no image was rebuilt, but more than guessing was recovered"),
        ((13.0, 16.0), 9.0, "no image was rebuilt, and what was recovered luck may explain"),
        ((11.0, 12.0), 9.0, "none of them takes account of the defense: untested, not safe"),
        ((16.0,), math.nan, "no image was rebuilt, and there are too few messages to tell more"),
    ],
)
def test_a_defense_has_the_sentence_of_its_judgement(make_summary, samples, half, words):
    assert words in lead(make_summary(33.0, 33.0), make_summary(*samples, half=half, defense="noisy"))


def test_a_defense_without_a_figure_is_not_called_safe(make_summary):
    words = lead(make_summary(33.0, 33.0), make_summary(defense="noisy"))
    assert "Under noisy (2 messages failed) no attack has a figure for the images." in words
    assert "safe" not in words


def test_nothing_measured_is_said():
    assert lead().startswith("No attack that uses the update has a figure, so nothing can be said")


def test_blind_guesses_alone_are_no_finding(make_summary):
    blind = [make_summary(40.0, attack=name) for name in ("prior", "no-access")]
    assert lead(*blind) == lead()
    assert lead(*blind, make_summary(30.0, 30.0)).startswith("Without a defense, dlg rebuilt 2 of 2 images")


def test_what_failed_is_not_in_the_count_and_is_said(make_summary):
    some = make_summary(30.0, 31.0, 9.0, half=20.0, failed=7, failures={"it raised": 7}, defense="noisy")
    assert "Dlg rebuilt 2 of the 3 images that have a figure: " in sentence(some)
    assert "; 7 messages failed" in sentence(some)
    assert lead(some) == "Images were rebuilt under noisy (2 of 3, 7 messages failed)."


def test_a_sum_does_not_hide_behind_its_masked_messages(make_summary):
    masked = make_summary(5.0, 5.0, defense="noisy")
    revealed = make_summary(30.0, 30.0, defense="noisy", sender="aggregate")
    found = drawn(masked, revealed).findings[1]
    assert [(one.what, one.judgement) for one in found.remarks] == [
        ("images", Judgement.NOTHING),
        ("images (sum)", Judgement.LEAKED),
    ]
    assert "Images were rebuilt under noisy (sum, 2 of 2)." in lead(masked, revealed)


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


def test_a_comparison_with_a_weaker_attack_says_so(make_summary, make_comparison):
    own, bare = make_summary(15.0, 16.0, defense="noisy"), make_summary(40.0, 41.0, attack="inverting")
    words = sentence(own, bare, comparisons=(make_comparison(-9.0, 0.01, defense="noisy"),))
    assert "; for this attack 9.00 dB lower than without a defense (p = 0.010" in words


def test_a_campaign_says_in_how_many_settings(make_summary):
    rows = (make_summary(30.0, setting=SMALL), make_summary(10.0, setting=LARGE))
    assert sentence(*rows, defense="none").startswith(
        "Beyond guessing in 1 of 2 settings; most with digits-mlp, batch_size=1: dlg rebuilt 1 of 1 image"
    )


def test_the_lead_of_a_campaign_says_that_it_tells_of_the_worst_setting(make_summary):
    rows = [make_summary(30.0, 31.0, setting=setting) for setting in (SMALL, LARGE)]
    assert lead(*rows).startswith("Without a defense, in the worst of 2 settings, dlg rebuilt 2 of 2 images")


def test_a_name_that_means_nothing_in_one_setting_only_is_told_twice(make_summary):
    small, large = Condition(task="digits-mlp", setting=SMALL), Condition(task="digits-mlp", setting=LARGE)
    rows = [make_summary(value, value, setting=s, defense="ours") for value, s in ((30.0, SMALL), (15.0, LARGE))]
    told = drawn(*rows, defended={(small, "ours"): False, (large, "ours"): True})
    assert [(one.title, one.remarks[0].judgement) for one in told.findings] == [
        ("Without a defense", Judgement.LEAKED),
        ("Under ours", Judgement.BEYOND),
    ]


def test_a_clean_bill_holds_over_variants_that_tuning_did_not_choose(make_summary):
    chosen = make_summary(11.0, 11.0, attack="dlg steps=10", tuned=True, defense="noisy")
    other = make_summary(14.0, 14.6, half=9.0, attack="dlg steps=99", defense="noisy")
    told = remark(other, chosen)
    assert told.judgement is Judgement.UNCLEAR
    assert told.sentence.startswith("Dlg steps=99, which tuning did not choose, rebuilt none of 2 images")
    assert "mean psnr 14.3 dB" in told.sentence
    assert "; dlg steps=10, which it chose, got 11.0 dB" in told.sentence


def test_where_the_chosen_variant_found_as_much_it_speaks(make_summary):
    chosen, lucky = make_summary(30.0, attack="dlg steps=10", tuned=True), make_summary(40.0, attack="dlg steps=99")
    assert sentence(lucky, chosen, defense="none").startswith("Dlg steps=10 rebuilt 1 of 1 image")


def test_a_defense_without_rows_has_no_remark(make_summary):
    found = drawn(make_summary(30.0)).findings
    assert found[1].title == "Under noisy"
    assert found[1].remarks == ()


def test_the_note_says_from_where_on_an_image_counts(make_summary):
    structure = make_summary(0.1, metric="ssim", prior=0.2, no_access=0.2)
    assert drawn(make_summary(30.0), structure).measure.startswith(
        "Images count as rebuilt from psnr 20.0 dB or more or ssim 0.50 or more, where that is better by 3.00 dB or "
    )


def test_rows_of_a_table_are_no_images(make_summary):
    place = Condition(task="digits-mlp")
    found = [make_summary(30.0, 9.0), make_summary(9.0, defense="noisy"), make_summary(30.0, sender="aggregate")]
    known = {(place, name): chain for name, chain in DEFENDED.items()}
    said = verdict(Evidence(summaries=found, comparisons=(), defended=known, example="row"))
    remarks = [one for own in said.findings for one in own.remarks]
    words = " ".join([*said.lead, said.measure, *(one.what + one.sentence for one in remarks)])
    assert "rebuilt 1 of 2 rows" in words
    assert "row" in said.findings[1].remarks[0].sentence
    assert "image" not in words.lower()
    assert "{" not in words


def test_the_note_names_the_threshold_of_each_task(make_summary):
    here, there = make_summary(30.0, threshold=25.0), make_summary(30.0, threshold=22.0, task="mnist-mlp")
    assert "psnr 25.0 dB in digits-mlp or 22.0 dB in mnist-mlp or more" in drawn(here, there).measure


def test_the_lead_says_that_the_setting_is_the_easiest(make_summary):
    known = {(Condition(task="digits-mlp"), "none"): False}
    evidence = Evidence(summaries=[make_summary(30.0, 30.0)], comparisons=(), defended=known, example="image")
    assert DIAGNOSTIC not in verdict(evidence).lead
    assert verdict(replace(evidence, diagnostic=True)).lead[1] == DIAGNOSTIC


CLASSES = {"prior": 0.0, "no_access": 0.0}


def inversion(make_summary, recognised, judged, attack="mi-face", **changed):
    """The figures of one attack that was asked about classes, and how alike its images are."""
    own = {"attack": attack, "defense": "noisy"}
    return [
        make_summary(*recognised, half=0.1, metric="recognised", **CLASSES, **own, **changed),
        make_summary(*judged, half=0.1, metric="judged", **CLASSES, **own),
        make_summary(0.55, half=0.01, metric="class-ssim", prior=0.58, no_access=0.3, **own),
    ]


def test_judges_who_are_convinced_by_what_nobody_would_recognise_are_said_to_be_fooled(make_summary):
    words = lead(*inversion(make_summary, [0.0, 0.0], [1.0, 0.8]))
    assert "these attackers gave no class away that guessing does not" in words
    assert words.endswith(
        "Mi-face convinced the judges of up to 90% of the classes, and none was recognised: a judge alone is fooled, "
        "by images that are no nearer to private examples than guessing."
    )


@pytest.mark.parametrize(("recognised", "judged"), [([1.0, 0.0], [1.0, 1.0]), ([0.0, 0.0], [0.0, 0.8])])
def test_judges_who_are_right_or_not_convinced_are_not_said_to_be_fooled(make_summary, recognised, judged):
    assert "fooled" not in lead(*inversion(make_summary, recognised, judged))


def test_models_and_messages_of_one_run_are_each_asked_what_they_are_attacked_for(make_summary):
    none = {"failed": 0, "defense": "none"}
    words = drawn(
        make_summary(10.0, 10.0, **none),
        labels(make_summary, 0.0, 0.0, **none),
        make_summary(half=0.1, metric="recognised", **CLASSES, **none),
        make_summary(0.0, 0.0, half=0.1, metric="recognised", sender="model", attack="mi-face", **CLASSES, **none),
        make_summary(sender="model", attack="mi-face", **none),
    )
    assert [one.what for one in words.findings[0].remarks] == ["images", "labels", "classes"]
    assert "has a figure" not in " ".join(words.lead)


def test_a_second_clause_about_no_attacker_says_no_attacker_too(make_summary):
    words = lead(make_summary(10.0, 10.0), labels(make_summary, 0.0, 0.0))
    assert "no attacker rebuilt" in words
    assert " and no attacker read" in words


def test_judges_are_not_fooled_where_public_data_has_the_class(make_summary):
    known = [replace(one, nothing_to_gain=True) for one in inversion(make_summary, [0.0, 0.0], [1.0, 1.0])]
    assert "fooled" not in lead(*known)


def test_a_fooled_judge_is_told_beside_another_attack_that_recognises(make_summary):
    found = inversion(make_summary, [1.0, 1.0], [1.0, 1.0], attack="c2fmi")
    words = lead(*found, *inversion(make_summary, [0.0, 0.0], [1.0, 1.0]))
    assert words.startswith("Classes were recognised under noisy (2 of 2).")
    assert "Mi-face convinced the judges of up to 100%" in words


def test_what_only_stands_beside_is_no_remark(make_summary):
    remarks = drawn(*inversion(make_summary, [1.0, 1.0], [1.0, 1.0])).findings[1].remarks
    assert [(one.what, one.judgement) for one in remarks] == [("classes", Judgement.LEAKED)]
    assert remarks[0].sentence.startswith("Mi-face recognised 2 of 2 classes: mean recognised 1.00")
    assert drawn(*inversion(make_summary, [1.0], [1.0])[1:]).findings[1].remarks == ()


def test_where_public_data_has_the_classes_nothing_was_to_be_gained(make_summary):
    figures = inversion(make_summary, [0.0, 0.0], [1.0, 0.0], nothing_to_gain=True)
    assert lead(*figures).startswith("Under noisy nothing was to be gained: the public data has")
    assert remark(*figures).judgement is Judgement.NO_GAIN
    assert remark(*figures).sentence == (
        "Nothing was to be gained of 2 classes: the public data has examples of each; mi-face shows them at "
        "class-ssim 0.55, guessing at 0.58."
    )


def test_a_model_that_no_defense_touched_leads_and_is_called_a_model(make_summary):
    own = {"metric": "recognised", "sender": "model", "attack": "mi-face", "prior": 0.0, "no_access": 0.0}
    words = lead(make_summary(1.0, 1.0, half=0.1, **own))
    assert words == "Without a defense, mi-face recognised 2 of 2 classes (mean recognised 1.00; guessing gives 0.00)."
    alone = make_summary(1.0, half=math.nan, beats_guessing=None, **own)
    assert "1 model is too few to tell that from guessing" in lead(alone)
    assert "made without access" in drawn(alone).measure
    assert "without the update" in drawn(make_summary(30.0)).measure


def test_the_labels_of_images_are_spoken_of_where_images_were_attacked(make_summary):
    assert "of images: with no more of it than the labels" in drawn(make_summary(30.0)).measure
    assert "of images" not in drawn(make_summary(1.0, metric="label-recall")).measure
