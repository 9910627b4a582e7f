"""Words of the gallery of servers: what a group is, how much came back, and why there is nothing."""

from dataclasses import replace

import pytest

from fedleak.analysis.loot import loot_of
from fedleak.contracts.chain import Chain
from fedleak.experiment.grid import parse_campaign
from fedleak.figures.server_words import nothing, shortened, words_of_chain, words_of_loot, words_of_setting
from fedleak.results.federation_row import FederationRow
from fedleak.results.seen import Seen, seen_text

TREE = {
    "name": "n", "task": "digits-mlp", "federation": {"clients": 4, "batch_size": [1, 2]},
    "attacks": [{"use": "isolated", "attack": {"use": "analytic-linear"}}],
    "servers": [{"name": "alone", "chain": [{"use": "inconsistency"}]}],
}  # fmt: skip
PLAYED = FederationRow(
    task="digits-mlp", defense="none", server="alone", seed=0, split="test", round=1, messages=0, failures=4,
    accuracy=0.5, loss=1.0, seconds=1.0, federation="", setting={}, manipulated=True, lost=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def point():
    return parse_campaign(TREE).points[1]


def test_a_group_says_who_sees_what():
    assert words_of_chain(Chain()) == "each update in the clear"
    tables = ({"use": "weight-watch"}, {"use": "clipping", "max_norm": 1.0}, {"use": "secure-aggregation"})
    assert words_of_chain(Chain.build(tables)) == "clients check models; clipping; only sums are opened"


def test_a_setting_is_told_without_the_server(point):
    assert words_of_setting(point, with_task=True) == "batch_size=2, digits-mlp"
    named = replace(point, setting={**point.setting, "vary": "two each"})
    assert words_of_setting(named, with_task=False) == "two each"


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ((100.0, 8.0), "1 of 2 exact (isolated analytic-linear)"),
        ((30.0, 8.0), "1 of 2 rebuilt, 30.0 dB at best (isolated analytic-linear)"),
        ((9.0, 8.0), "nothing beyond guessing of 2 (isolated analytic-linear)"),
    ],
)
def test_how_much_came_back_and_who_saw_it(point, make_row, samples, words):
    loot = loot_of([make_row(*samples, attack="isolated", algorithm="isolated analytic-linear", threshold=20.0)])
    assert words_of_loot(point, loot, None) == words
    seen = replace(PLAYED, seen=seen_text([Seen("weight-watch", 4, "rows are alike")]))
    assert words_of_loot(point, loot, seen) == f"{words}; seen by weight-watch"
    assert words_of_loot(point, loot, replace(PLAYED, disbelieved=1)) == f"{words}; the lie was refused"


def test_a_lost_round_says_who_refused_or_why_it_was_lost(point, make_row):
    seen = [Seen("loss-watch", 1, "it is odd"), Seen("weight-watch", 3, "rows are alike (alike 0.9, threshold 0.05)")]
    refused = nothing(point, replace(PLAYED, refused=3, seen=seen_text(seen)), [])
    assert (refused.words, refused.more) == ("round lost: 3 of 4 clients refused", "weight-watch: rows are alike")
    rows = [
        make_row(client=0, reason="it is masked"),
        make_row(client="aggregate", reason="FederationError: nobody came"),
    ]
    lost = nothing(point, PLAYED, rows)
    assert (lost.words, lost.more, lost.calm) == ("round lost", "Nobody came", True)
    assert nothing(point, replace(PLAYED, disbelieved=1), rows).words == "round lost: the lie was refused"


def test_without_a_figure_the_reason_stands_there(point, make_row):
    assert nothing(point, None, []).words == "not run under this defense"
    block = nothing(point, replace(PLAYED, lost=False), [make_row(reason="NotApplicable: it is masked")])
    assert (block.words, block.more, block.calm) == ("no figure", "It is masked", False)


def test_what_is_too_long_ends_at_a_comma_or_a_word():
    assert shortened("nobody is of class 0, by the gradient of its bias", 30) == "nobody is of class 0"
    assert shortened("one two three four", 10) == "one two …"
    assert shortened("short, and whole", 30) == "short, and whole"
