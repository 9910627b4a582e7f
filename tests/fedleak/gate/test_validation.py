"""A name that nothing in the run answers to is a typo, and a typo is an error before anything is judged."""

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.grid import parse_campaign
from fedleak.gate.validation import Vocabulary, validate

CAMPAIGN = parse_campaign(
    {
        "name": "names",
        "task": ["digits-mlp", "digits-lenet"],
        "metrics": ["psnr", "label-recall"],
        "federation": {"batch_size": [1, 4], "partitioner": ["IidPartitioner", "LinearPartitioner"]},
        "attacks": [{"use": "dlg", "steps": [1, 2]}, {"use": "bias-sign"}, {"use": "bias-sign"}],
        "defenses": [
            {"name": "none"},
            {"name": "gaussian noise", "chain": [{"use": "gaussian-noise", "std": [0.1, 0.2]}]},
            {"name": "top-k 10", "chain": [{"use": "top-k", "fraction": 0.1}]},
        ],
    }
)
VOCABULARY = Vocabulary.of(CAMPAIGN)


@pytest.mark.parametrize(
    "rule",
    [
        "psnr < 1",
        "ssim < 1",  # a metric, though not of this run: nothing will have been measured, which is no typo
        "psnr < 1 where defense = 'none'",
        "psnr < 1 where defense = 'gaussian noise'",
        "psnr < 1 where defense = 'gaussian noise std=0.1'",
        "psnr < 1 where attack in ['dlg', 'dlg steps=2', 'bias-sign', 'bias-sign-2']",
        "psnr < 1 where batch_size = 4 or federation.batch_size = 7",
        "psnr < 1 where partitioner = 'IidPartitioner' and sender = 'aggregate'",
        "psnr < 1 unless defense = 'differential privacy'",
        "psnr < 1 unless defense = 'top-k 20'",
        "accuracy > 0 where task = 'digits-mlp' and partitioner != 'IidPartitioner'",
        "certified == 0",
        "mse.p5 > .01",
        "mse.min > .01",
        "mse.median > .01",
        "mse.p50 > .01",
        "mse.p95 < .9",  # asks that something leaks, as a check of the attack may
        "psnr.p5 > 3",
        "psnr.p50 < 18",
        "psnr.share < .1",
        "psnr.share == 0",
        "psnr.share(100) < 1",
        "mse.share(0) < .5",
        "share-at-100dB.worst <= 0",
        "share-at-1dB.worst < prior * 2",
        "accuracy >= 1",
        "accuracy >= 0",
    ],
)
def test_what_the_run_has_may_be_named(make_policy, rule):
    validate(make_policy(rule), VOCABULARY)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("pnsr < 1", "rule 2, column 1: no metric is called 'pnsr'; did you mean 'psnr'?"),
        ("accurcy < 1", "no metric is called 'accurcy'; did you mean 'accuracy'?"),
        ("share-above-40dB.worst < .05",
         "rule 2, column 1: no metric is called 'share-above-40dB'; did you mean 'share-at-40dB'?"),
        ("share-error-2 < 1", "no metric is called 'share-error-2'; did you mean 'share-error'?"),
        ("psnr < 1 where defence = 'none'",
         "no field 'defence' tells this run's groups apart; did you mean 'defense'?"),
        ("psnr < 1 where defense = 'gausian noise'",
         "rule 2: no defense of this run is called 'gausian noise'; did you mean 'gaussian noise'?"),
        ("psnr < 1 where defense != 'nnoe'", "no defense of this run is called 'nnoe'; did you mean 'none'?"),
        ("psnr < 1 where attack = 'dgl'", "no attack of this run is called 'dgl'; did you mean 'dlg'?"),
        ("psnr < 1 where task in ['digits-mlp', 'x']",
         "no task of this run is called 'x'; there is digits-lenet, digits-mlp"),
        ("psnr < 1 where sender = 'sum'", "no sender of this run is called 'sum'; there is active, aggregate, client"),
        ("psnr < 1 unless defense = 'Gausian Noise'", "did you mean 'gaussian noise'?"),
        ("psnr < 1 unless sender = 'clients'", "did you mean 'client'?"),
        ("accuracy < 1 where attack = 'dlg'", "accuracy is a federation's and has no attack"),
        ("mse.p95 > .01",
         "column 1: mse leaks more when lower; p95 is the samples that leak least: did you mean p5 or worst?"),
        ("mse.max >= .01",
         "mse leaks more when lower; max is the samples that leak least: did you mean min or worst?"),
        ("psnr.p2.5 < 18",
         "psnr leaks more when higher; p2.5 is the samples that leak least: did you mean p97.5 or worst?"),
        ("psnr.min <= 18",
         "psnr leaks more when higher; min is the samples that leak least: did you mean max or worst?"),
    ],
)  # fmt: skip
def test_a_typo_is_an_error(make_policy, rule, sentence):
    with pytest.raises(ConfigError) as caught:
        validate(make_policy("psnr < 1", rule), VOCABULARY)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("share-at-0dB < .05", "column 1: expected decibels above 0 and up to 100, where PSNR is capped"),
        ("share-at-999dB.worst < .05", "up to 100, where PSNR is capped, as in share-at-40dB, got share-at-999dB"),
        ("psnr.share(0) < .05", "expected a threshold above 0 and up to 100, which some psnr can be past and some not"),
        ("psnr.share(101) < .05", "got psnr.share(101)"),
        ("mse.share(1) < .05", "expected a threshold from 0 and below 1, which some mse can be past and some not"),
        ("share-at-40dB.share(0) < .05", "expected a threshold above 0 and up to 1"),
        ("share-at-40dB.worst < 2",
         "share-at-40dB.worst is a share, so this rule cannot fail: expected a bound from 0 to 1 that some shares are "
         "within and some not, got < 2"),
        ("psnr.share <= 1", "psnr.share is a share, so this rule cannot fail"),
        ("psnr.share != 3", "so this rule cannot fail"),
        ("psnr.share < 0", "so this rule cannot hold"),
        ("psnr.share == 40", "so this rule cannot hold"),
        ("accuracy > 90", "accuracy is a share, so this rule cannot hold"),
    ],
)  # fmt: skip
def test_a_rule_that_every_share_keeps_or_breaks_is_an_error(make_policy, rule, sentence):
    with pytest.raises(ConfigError) as caught:
        validate(make_policy("psnr < 1", rule), VOCABULARY)
    assert "rule 2" in str(caught.value)
    assert sentence in str(caught.value)


def test_a_short_name_that_means_two_things_is_an_error(make_policy):
    vocabulary = Vocabulary(metrics={"psnr"}, fields={"federation.momentum": {0.1}, "model.momentum": {0.2}})
    with pytest.raises(ConfigError, match=r"'momentum' may be federation.momentum or model.momentum; write one"):
        validate(make_policy("psnr < 1 where momentum = .1"), vocabulary)
    validate(make_policy("psnr < 1 where model.momentum = .1"), vocabulary)
