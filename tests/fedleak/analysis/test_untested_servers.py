"""What servers did not do, and what nobody read of what they did, is said where a run is told."""

from typing import Any

from fedleak.analysis.untested import cheating_servers, untested
from fedleak.experiment.grid import parse_campaign
from fedleak.experiment.servers import readers_of

IMPRINT = {"use": "imprint", "bins": 16}
TREE: dict[str, Any] = {
    "name": "servers",
    "task": "digits-mlp",
    "federation": {"clients": 2},
    "attacks": [{"use": "prior"}],
    "servers": [{"name": "honest"}, {"name": "hidden", "chain": [{"use": "stealthy", "manipulation": IMPRINT}]}],
}


def gaps(tree):
    found = untested(parse_campaign(tree), [], {}, [], unfinished=0)
    return {one.title: one.words for one in found}


def test_attacks_that_read_what_a_manipulation_leaves_are_known():
    assert readers_of("imprint") == ("imprint-readout",)
    assert readers_of("inconsistency") == ("isolated",)
    assert readers_of("sybils") == ()


def test_what_no_server_did_and_what_nobody_read_are_gaps():
    found = gaps(TREE)
    undone = found["Manipulations that fedleak has and no server of this run did"]
    assert "loki" in undone
    assert not any(done in undone for done in ("imprint", "stealthy"))
    assert found["Readouts that fit and were not run"] == "imprint-readout of what imprint does."
    assert "A malicious server" not in found
    read = gaps({**TREE, "attacks": [{"use": "imprint-readout"}]})
    assert "Readouts that fit and were not run" not in read


def test_a_run_of_honest_servers_is_told_that_others_were_not_tried():
    found = gaps({**TREE, "servers": [{"name": "honest"}]})
    assert found["A malicious server"] == "This server only reads; one that sends changed weights may get more."
    assert not any("servers" in title or "Readouts" in title for title in found)
    assert not cheating_servers(parse_campaign({**TREE, "servers": [{"name": "honest"}]}))
