"""Servers in an experiment: rows, what does not fit, and attacks that have something to read."""

from typing import Any

import pytest

from fedleak.campaign.plan import UNTUNED, counts_of
from fedleak.errors import ConfigError
from fedleak.experiment.canonical import settings_facts
from fedleak.experiment.grid import parse_campaign
from fedleak.experiment.servers import fits_server
from fedleak.settings.server import ServerSettings

IMPRINT = {"use": "imprint", "bins": 16}


def tree(servers: Any = None, **changes: Any) -> dict[str, Any]:
    base = {"name": "servers", "task": "digits-mlp", "attacks": [{"use": "prior"}], **changes}
    return base if servers is None else {**base, "servers": servers}


def test_without_rows_the_server_is_honest_and_nothing_is_said_of_it() -> None:
    campaign = parse_campaign(tree())
    assert campaign.first.server.honest
    assert "server" not in campaign.tree
    assert "server" not in settings_facts(campaign.first)
    assert dict(campaign.points[0].setting) == {}


def test_one_server_in_a_table_goes_by_a_name_that_says_what_it_is() -> None:
    with pytest.raises(ConfigError, match=r"server: expected a name for what its chain does.*got 'honest'"):
        parse_campaign(tree(server={"chain": [IMPRINT]}))


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        ({"name": "a"}, r"\[\[servers\]\]"),
        ([], r"\[\[servers\]\]"),
        ([{"chain": []}], "servers.0.name"),
        ([{"name": "a"}, {"name": "a"}], "name of its own, got a, a"),
        ([{"name": "curious"}], "servers.0: expected the name \"honest\" for a server without a chain.*got 'curious'"),
        ([{"name": "honest", "chain": [IMPRINT]}], "servers.0: expected a name for what its chain does.*got 'honest'"),
        ([{"name": "honest", "chain": [{**IMPRINT, "bins": [8, 16]}]}], "servers.0: expected a name for what its"),
        ([{"name": "Honest but curious", "chain": [IMPRINT]}], "servers.0: expected a name for what its chain does"),
        ([{"name": "a", "chain": [{"use": "no-such"}]}], "no manipulation is called 'no-such'"),
        ([{"name": "a", "begins": 0}], "begins"),
        ([{"name": "a", "strength": 1}], "unknown field"),
    ],
)
def test_a_bad_row_is_one_sentence(servers: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_campaign(tree(servers))


def test_rows_are_points_of_their_own_and_the_file_comes_back() -> None:
    campaign = parse_campaign(tree([{"name": "honest"}, {"name": "other", "chain": [IMPRINT]}]))
    assert [point.setting["server"] for point in campaign.points] == ["honest", "other"]
    assert [point.federation for point in campaign.points] == ["server=honest", "server=other"]
    assert [point.setting for point in parse_campaign(dict(campaign.tree)).points] == [
        point.setting for point in campaign.points
    ]


def test_any_server_fits_an_attack_that_reads_no_manipulation() -> None:
    assert fits_server({"use": "prior"}, ServerSettings(), 1)
    campaign = parse_campaign(tree([{"name": "honest"}]))
    point = campaign.points[0]
    assert UNTUNED.labels(campaign, point, "none", (1, 0)) == ["prior"]


def test_what_a_server_plants_is_read_once_it_has_begun() -> None:
    attacks = [{"use": "prior"}, {"use": "imprint-readout"}]
    server = {"name": "imprint", "chain": [IMPRINT], "begins": 3}
    federation = {"rounds": 4, "clients": 2}
    campaign = parse_campaign(tree([server], attacks=attacks, federation=federation))
    found = [UNTUNED.labels(campaign, campaign.points[0], "none", (round, 0)) for round in (1, 2, 3, 4)]
    assert found == [["prior"], ["prior"], ["prior", "imprint-readout"], ["prior", "imprint-readout"]]
    assert counts_of(campaign) == (1, 2 * (1 + 1 + 2 + 2))


def test_a_server_that_begins_too_late_for_what_it_does_is_one_sentence() -> None:
    slow = {"name": "slow", "begins": 4, "chain": [{"use": "stealthy", "over": 4, "manipulation": IMPRINT}]}
    sentence = (
        "server 'slow', chain.0: stealthy: moving to the crafted weights over 4 rounds .* there are 2 from round 4"
    )
    with pytest.raises(ConfigError, match=sentence):
        parse_campaign(tree([slow], federation={"rounds": 5, "clients": 2}, adversary={"auxiliary": 64}))
    parse_campaign(tree([{**slow, "begins": 2}], federation={"rounds": 5, "clients": 2}, adversary={"auxiliary": 64}))
