"""The threat model of split training says who sits where, what crosses the cut, and what is known beforehand."""

from fedleak.experiment.grid import parse_campaign
from fedleak.report.threat_model import threat_model

TREE = {
    "name": "n",
    "task": "digits-mlp",
    "federation": {"partition": "columns", "clients": 3, "rounds": 2, "cut": [3, 4]},
    "model": {"trained_rounds": 5},
    "adversary": {"known_labels": 40, "bottoms": "queries", "auxiliary": 0},
    "attacks": [{"use": "direct-labels"}],
    "defenses": [{"name": "none"}],
}


def test_it_speaks_of_parties_and_not_of_clients_with_rows():
    said = {fact.term: fact.words for fact in threat_model(parse_campaign(TREE))}
    assert said["parties"] == (
        "3 parties, 2 rounds. Each holds a strip of columns of all rows and the layers below the cut, after layer 3 or "
        "after layer 4; party 0 has the labels and the layers above it too. A server relays. 5 rounds of training "
        "before these."
    )
    assert "clients" not in said
    assert said["adversary"].startswith("Somebody at the table of split training")
    assert "Unless the run says what else it does, it goes by the protocol" in said["adversary"], "a party may tamper"
    assert said["it holds"] == (
        "No public data. It knows the labels of 40 rows from elsewhere, as many of each class as can be. It may ask "
        "the bottom networks of the parties whose embeddings it sees whatever it likes."
    )
    assert said["it sees"].startswith("Of 2 rounds, batch by batch")
    assert (
        said["it does not know"] == "What other parties hold: their columns, the labels, their networks and all dice."
    )
