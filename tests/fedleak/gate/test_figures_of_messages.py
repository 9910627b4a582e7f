"""`share-at-40dB` is a figure of messages: of each the share of its images that came back as well as that."""

import math
from dataclasses import replace

import pytest

from fedleak.errors import ConfigError
from fedleak.gate.figures import level_of, meant_by, message_shares
from fedleak.statistics.group import group_rows
from fedleak.statistics.summary import summarize

LINE = 'share-at-40dB.worst < .05 where server = "imprint"'
SERVER = {"server": "imprint", "setting": {"server": "imprint"}}
SUM = {"client": "aggregate", **SERVER}


def figure(judged, text, rows):
    """What is measured in the only group of the rows."""
    [finding] = judged(text, rows).findings
    return finding.measurement


@pytest.mark.parametrize(
    ("name", "level"), [("share-at-40dB", 40.0), ("share-at-8dB", 8.0), ("share-at-40db", None), ("share-error", None)]
)
def test_its_name_has_the_level(name, level):
    assert level_of(name) == level


@pytest.mark.parametrize("name", ["share-above-40dB", "psnr-share-at-40-dB", "share-at-40db"])
def test_near_names_mean_it(name):
    assert meant_by(name) == "share-at-40dB"
    assert meant_by("share-error") is None


def test_the_worst_message_counts_and_not_the_mean(judged, make_row):
    partly = make_row(20.0, math.nan, 60.0, 40.0, value=40.0, **{**SUM, "seed": 1})
    rows = [make_row(*[20.0] * 19, 41.0, **SUM), partly]
    verdict = judged(LINE, rows)
    assert not verdict.passed
    [finding] = verdict.findings
    assert finding.measurement.value == 0.5
    assert finding.measurement.unit == "share of images"
    assert figure(judged, "share-at-40dB < .9", rows).value == pytest.approx((0.05 + 0.5) / 2)
    assert figure(judged, "share-at-40dB.share(.5) < .9", rows).value == 0.5
    assert judged("share-at-61dB.worst == 0", rows).passed


def test_what_guessing_has_is_a_share_too_and_intervals_end_where_shares_do(judged, make_row):
    rows = [make_row(50.0, 50.0, prior_per_sample=(45.0, 10.0), seed=seed) for seed in range(6)]
    found = figure(judged, "share-at-40dB <= prior * 2", rows)
    assert (found.value, found.baselines["prior"]) == (1.0, 0.5)
    some = [make_row(50.0, 10.0 + 40 * (seed % 2), seed=seed) for seed in range(6)]
    interval = figure(judged, "share-at-40dB <= 1", some).interval
    assert 0.0 <= interval.low < interval.high <= 1.0


def test_a_message_without_a_figure_has_none(judged, make_row):
    rows = [make_row(41.0, 10.0, **SUM), make_row(reason="it raised", **{**SUM, "seed": 1})]
    found = figure(judged, LINE, rows)
    assert (found.value, found.messages, found.gap) == (0.5, 1, "1 of 2 messages have no figure")
    assert not judged(LINE, rows[1:]).passed
    summary, shares = message_shares("share-at-40dB", summarize(rows)[0], rows)
    assert (summary.samples, summary.messages, summary.failed) == ((0.5,), 1, 1)
    assert shares[1] == replace(rows[1], metric="share-at-40dB", unit="share of images")
    assert group_rows(rows).keys() != {summary.group}


def test_its_pictures_are_of_the_images_that_came_back(judged, make_row):
    rows = [make_row(41.0, 10.0, **SUM)]
    assert figure(judged, LINE, rows).rows == tuple(rows)


def test_it_guards_the_end_that_leaks(make_policy):
    from fedleak.experiment.grid import parse_campaign
    from fedleak.gate.validation import Vocabulary, validate

    servers = [{"name": "imprint", "chain": [{"use": "imprint", "bins": 64}]}]
    tree = {"name": "one", "task": "digits-mlp", "servers": servers, "attacks": [{"use": "imprint-readout"}]}
    known = Vocabulary.of(parse_campaign({**tree, "federation": {"clients": 2}}))
    validate(make_policy(LINE), known)
    for text, sentence in [
        ("share-at-40dB.min < .05", "share-at-40dB leaks more when higher; min is the samples that leak least"),
        ("share-at-40dB.share < .05", "takes a threshold, as in share-at-40dB.share(0.5)"),
        ('share-at-40dB.worst < .05 where server = "imprnt"', "no server of this run is called 'imprnt'"),
    ]:
        with pytest.raises(ConfigError, match="rule 1") as refused:
            validate(make_policy(text), known)
        assert sentence in str(refused.value)
